"""People, teams and keys for operators. Secrets are stored as hashes and shown nowhere."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts import actions, keys
from apps.accounts.models import (
    ApiKey,
    IdempotencyKey,
    Invitation,
    LoginLink,
    Membership,
    RefreshToken,
    Team,
    User,
)
from apps.accounts.rights import as_operator
from orchestra.admin import BigTableAdmin, ProductAdmin, ReadOnly, act_on_each, pretty_json

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's own way
admin.site.unregister(Group)
admin.site.index_title = _("Dashboard")


class MembershipInline(TabularInline):  # type: ignore[misc]  # the theme is untyped
    model = Membership
    autocomplete_fields = ["user", "team"]
    extra = 0
    tab = True


@admin.register(User)
class PersonAdmin(UserAdmin, ProductAdmin):  # type: ignore[type-arg]  # generic for the stubs only
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "display_name", "email", "is_active", "is_staff", "last_login", "date_joined"]
    list_filter = ["is_active", "is_staff", "is_superuser", "language"]
    search_fields = ["username", "display_name", "email"]
    ordering = ["username"]
    readonly_fields = ["last_login", "date_joined", "shown_preferences"]
    inlines = [MembershipInline]
    actions = ["end_sessions", "remove_second_factors"]
    filter_horizontal = ["user_permissions"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["display_name", "email", "language", "time_zone", "theme"]}),
        (_("Rights"), {"fields": ["is_active", "is_staff", "is_superuser", "user_permissions"]}),
        (_("History"), {"fields": ["last_login", "date_joined", "shown_preferences"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "email", "password1", "password2"]})]

    @admin.display(description=_("preferences"))
    def shown_preferences(self, person: User) -> SafeString:
        return pretty_json(person.preferences)

    @admin.action(description=_("End all sessions and API logins"), permissions=["change"])
    def end_sessions(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        act_on_each(self, request, rows, lambda row: actions.end_sessions(user=row), _("Sessions ended"))

    @admin.action(description=_("Take second factors away (for who lost theirs)"), permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        act_on_each(
            self,
            request,
            rows,
            lambda row: actions.remove_second_factors(user=row),
            _("Second factors taken away"),
        )


@admin.register(Team)
class TeamAdmin(ProductAdmin):
    list_display = ["name", "slug", "members_count", "created_at"]
    search_fields = ["name", "slug"]
    readonly_fields = ["created_at"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        rows: QuerySet[Team] = super().get_queryset(request)
        return rows.annotate(members_count=Count("memberships"))

    @admin.display(description=_("members"), ordering="members_count")
    def members_count(self, team: Any) -> int:
        return int(team.members_count)


@admin.register(Membership)
class MembershipAdmin(ProductAdmin):
    list_display = ["user", "team", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "team"]
    search_fields = ["user__username", "team__name"]
    autocomplete_fields = ["user", "team"]


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, ProductAdmin):
    """Invitations are made on the team's page, which shows their link once; here they can be withdrawn."""

    list_display = ["team", "email", "role", "created_by", "created_at", "expires_at", "accepted_at"]
    list_filter = ["role"]
    list_select_related = ["team", "created_by"]
    search_fields = ["email", "team__name"]
    fields = ["team", "email", "role", "created_by", "created_at", "expires_at", "accepted_at"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(ProductAdmin.has_delete_permission(self, request, obj))


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ProductAdmin):
    """Keys are made by their owners, who see them once; here they can be revoked."""

    list_display = ["name", "prefix", "user", "team", "created_at", "expires_at", "last_used_at", "is_usable"]
    list_filter = ["created_at", "expires_at", "revoked_at"]
    list_select_related = ["user", "team"]
    search_fields = ["name", "prefix", "user__username", "team__name"]
    fields = [
        "name",
        "prefix",
        "user",
        "team",
        "scopes",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    actions = ["revoke"]

    @admin.display(description=_("usable"), boolean=True)
    def is_usable(self, key: ApiKey) -> bool:
        return keys.is_live(key)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        by = as_operator(_person(request))
        act_on_each(self, request, rows, lambda row: actions.revoke_api_key(key=row, by=by), _("Revoked"))


@admin.register(RefreshToken)
class RefreshTokenAdmin(ReadOnly, BigTableAdmin):
    list_display = ["id", "user", "family", "created_at", "expires_at", "used_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["=user__username"]


@admin.register(LoginLink)
class LoginLinkAdmin(ReadOnly, BigTableAdmin):
    list_display = ["id", "user", "created_at", "expires_at", "used_at"]
    list_select_related = ["user"]
    fields = ["user", "created_at", "expires_at", "used_at"]
    search_fields = ["=user__username"]


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly, BigTableAdmin):
    list_display = ["key", "user", "status", "created_at"]
    list_select_related = ["user"]
    fields = ["key", "user", "fingerprint", "status", "created_at"]
    search_fields = ["=key"]


admin.site.unregister([EmailAddress, UserSession, Authenticator])


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly, BigTableAdmin):
    """Second factors; what they are made of is not shown."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    fields = ["user", "type", "created_at", "last_used_at"]
    search_fields = ["=user__username"]


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnly, BigTableAdmin):
    """What has been confirmed of people's addresses; they change them in their settings."""

    list_display = ["email", "user", "primary", "verified"]
    list_filter = ["primary", "verified"]
    list_select_related = ["user"]
    search_fields = ["email", "=user__username"]


@admin.register(UserSession)
class UserSessionAdmin(ReadOnly, BigTableAdmin):
    """Browser sessions; their keys, which would open them, are not shown."""

    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    list_select_related = ["user"]
    fields = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    search_fields = ["=user__username", "=ip"]
    actions = ["end"]

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("End these sessions"), permissions=["end"])
    def end(self, request: HttpRequest, rows: QuerySet[UserSession]) -> None:
        act_on_each(self, request, rows, actions.end_session, _("Ended"))


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly, BigTableAdmin):
    """What operators changed here."""

    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag"]
    list_select_related = ["user", "content_type"]
    search_fields = ["=user__username", "object_repr"]


def _person(request: HttpRequest) -> User:
    """Return who is logged in; the admin's own checks let nobody else come this far."""
    assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
    return request.user
