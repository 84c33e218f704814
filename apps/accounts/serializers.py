"""The JSON shapes of people, teams and keys."""

from __future__ import annotations

from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.models import ApiKey, Role, Theme, User
from apps.accounts.scopes import Scope
from orchestra.api import StrictSerializer

Out = serializers.Serializer[Any]


class CredentialsSerializer(StrictSerializer):
    username = serializers.CharField(max_length=254, help_text="User name or e-mail address.")
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)
    totp = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="For accounts with a second factor: a fresh code of the app, or a recovery code.",
    )


class RefreshSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096)


class LogoutSerializer(StrictSerializer):
    refresh = serializers.CharField(max_length=4096, required=False)


class TokenPairSerializer(Out):
    access = serializers.CharField(help_text="For `Authorization: Bearer`.")
    refresh = serializers.CharField(help_text="Good for one refresh; the answer holds the next one.")
    expires_in = serializers.IntegerField(help_text="Life of the access token in seconds.")
    token_type = serializers.CharField(default="Bearer")


class MyTeamSerializer(Out):
    id = serializers.UUIDField(source="team.pk")
    slug = serializers.CharField(source="team.slug")
    name = serializers.CharField(source="team.name")
    role = serializers.ChoiceField(choices=Role.choices)


class MeSerializer(Out):
    id = serializers.UUIDField()
    username = serializers.CharField()
    name = serializers.CharField(help_text="What others see: the display name, or the user name.")
    display_name = serializers.CharField()
    email = serializers.EmailField(allow_blank=True)
    avatar = serializers.SerializerMethodField()
    language = serializers.CharField(help_text="Empty: as the browser asks.")
    time_zone = serializers.CharField()
    theme = serializers.ChoiceField(choices=Theme.choices)
    is_staff = serializers.BooleanField()
    teams = serializers.SerializerMethodField()
    scopes = serializers.SerializerMethodField(
        help_text="What the API key of this request may do; null without one."
    )

    def get_avatar(self, user: User) -> str | None:
        return reverse("avatar", args=[user.pk]) if user.avatar else None

    @extend_schema_field(MyTeamSerializer(many=True))
    def get_teams(self, user: User) -> list[dict[str, Any]]:
        mine = user.memberships.select_related("team").filter(team_id__in=list(user.roles))
        return [MyTeamSerializer(one).data for one in mine.order_by("created_at")]

    @extend_schema_field(serializers.ListField(child=serializers.CharField(), allow_null=True))
    def get_scopes(self, user: User) -> list[str] | None:
        auth = self.context["request"].auth
        return list(auth.scopes) if isinstance(auth, ApiKey) else None


class ProfileSerializer(StrictSerializer):
    display_name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    email = serializers.EmailField(required=False)
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)
    time_zone = serializers.CharField(max_length=64, required=False)
    theme = serializers.ChoiceField(choices=Theme.choices, required=False)


class SessionSerializer(Out):
    id = serializers.IntegerField()
    ip = serializers.IPAddressField()
    user_agent = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    is_current = serializers.SerializerMethodField()

    def get_is_current(self, session: UserSession) -> bool:
        request = self.context["request"]
        return bool(session.session_key == request.session.session_key)


class ApiKeySerializer(Out):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The key's public part, to tell keys apart.")
    team = serializers.CharField(source="team.slug")
    owner = serializers.CharField(source="user.username")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class MadeApiKeySerializer(ApiKeySerializer):
    key = serializers.CharField(help_text="The key itself: shown this once, stored nowhere.")


class NewApiKeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class TeamSerializer(Out):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    role = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_role(self, team: Any) -> str:
        role = self.context["request"].user.role_in(team.pk)
        return str(role) if role else ""


class NewTeamSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80)


class MemberSerializer(Out):
    user = serializers.UUIDField(source="user_id")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(choices=Role.choices)
    joined_at = serializers.DateTimeField(source="created_at")


class RoleSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.choices)


class InvitationSerializer(Out):
    id = serializers.UUIDField()
    email = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)


class MadeInvitationSerializer(InvitationSerializer):
    url = serializers.CharField(help_text="The link for the invited person: shown this once, good for one.")
    is_mailed = serializers.BooleanField(help_text="Whether the link was also mailed to `email`.")


class NewInvitationSerializer(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.choices)
    email = serializers.EmailField(required=False, allow_blank=True)


class AcceptSerializer(StrictSerializer):
    token = serializers.CharField(max_length=200)
