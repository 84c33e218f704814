"""The API of teams, members, invitations, and of the keys for programs."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import actions
from apps.accounts.api import NO_STORE, checked, person
from apps.accounts.idempotency import idempotent, never_store
from apps.accounts.models import ApiKey, Invitation, Membership, Role, Team
from apps.accounts.rights import require
from apps.accounts.scopes import Scope
from apps.accounts.serializers import (
    AcceptSerializer,
    ApiKeySerializer,
    InvitationSerializer,
    MadeApiKeySerializer,
    MadeInvitationSerializer,
    MemberSerializer,
    NewApiKeySerializer,
    NewInvitationSerializer,
    NewTeamSerializer,
    RoleSerializer,
    TeamSerializer,
)
from apps.accounts.teams import active_team
from orchestra.api import IDEMPOTENCY_KEY, TEAM, PagedView
from orchestra.errors import NotPermitted


def my_teams(request: Request) -> QuerySet[Team]:
    """Return the teams of the person; with an API key, the key's own."""
    return Team.objects.filter(pk__in=list(person(request).roles))


def my_keys(request: Request) -> QuerySet[ApiKey]:
    """Return one's own keys, and those of all members of the teams one owns."""
    user = person(request)
    owned = [team for team, role in user.roles.items() if role == Role.OWNER]
    keys: QuerySet[ApiKey] = ApiKey.objects.visible_to(user).select_related("user", "team")
    return keys.filter(Q(user=user) | Q(team_id__in=owned))


class TeamsView(PagedView):
    """One's teams."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="teams_list", responses=TeamSerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.page(my_teams(request), partial(TeamSerializer, context={"request": request}))

    @extend_schema(
        operation_id="teams_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewTeamSerializer,
        responses={201: TeamSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        if isinstance(request.auth, ApiKey):
            raise NotPermitted("An API key acts in its own team; log in to make another one.")
        team = actions.create_team(by=person(request), **checked(NewTeamSerializer, request))
        return Response(TeamSerializer(team, context={"request": request}).data, status=201)


class TeamView(APIView):
    """One team."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="teams_read", responses=TeamSerializer)
    def get(self, request: Request, team_id: UUID) -> Response:
        team = get_object_or_404(my_teams(request), pk=team_id)
        return Response(TeamSerializer(team, context={"request": request}).data)

    @extend_schema(operation_id="teams_update", request=NewTeamSerializer, responses=TeamSerializer)
    def patch(self, request: Request, team_id: UUID) -> Response:
        team = get_object_or_404(my_teams(request), pk=team_id)
        require(person(request), team.pk, Role.OWNER)
        team = actions.rename_team(team=team, by=person(request), **checked(NewTeamSerializer, request))
        return Response(TeamSerializer(team, context={"request": request}).data)


class MembersView(PagedView):
    """Who is in a team."""

    @extend_schema(operation_id="teams_members_list", responses=MemberSerializer(many=True))
    def get(self, request: Request, team_id: UUID) -> Response:
        team = get_object_or_404(my_teams(request), pk=team_id)
        return self.page(Membership.objects.filter(team=team).select_related("user"), MemberSerializer)


class MemberView(APIView):
    """One member: their role, and their leaving."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="teams_members_update", request=RoleSerializer, responses=MemberSerializer)
    def patch(self, request: Request, team_id: UUID, user_id: UUID) -> Response:
        membership = self._membership(request, team_id, user_id)
        require(person(request), membership.team_id, Role.OWNER)
        changed = actions.change_role(
            membership=membership, by=person(request), **checked(RoleSerializer, request)
        )
        return Response(MemberSerializer(changed).data)

    @extend_schema(operation_id="teams_members_remove", request=None, responses={204: None})
    def delete(self, request: Request, team_id: UUID, user_id: UUID) -> Response:
        actions.remove_member(membership=self._membership(request, team_id, user_id), by=person(request))
        return Response(status=204)

    def _membership(self, request: Request, team_id: UUID, user_id: UUID) -> Membership:
        team = get_object_or_404(my_teams(request), pk=team_id)
        rows = Membership.objects.select_related("user", "team")
        return get_object_or_404(rows, team=team, user_id=user_id)


class InvitationsView(PagedView):
    """A team's invitations; for its owners."""

    scope = Scope.ADMIN
    read_scope = Scope.ADMIN

    @extend_schema(operation_id="teams_invitations_list", responses=InvitationSerializer(many=True))
    def get(self, request: Request, team_id: UUID) -> Response:
        team = self._owned(request, team_id)
        return self.page(team.invitations.select_related("created_by"), InvitationSerializer)

    @extend_schema(
        operation_id="teams_invitations_create",
        parameters=[IDEMPOTENCY_KEY],
        request=NewInvitationSerializer,
        responses={201: MadeInvitationSerializer},
    )
    @idempotent
    def post(self, request: Request, team_id: UUID) -> Response:
        team = self._owned(request, team_id)
        given = checked(NewInvitationSerializer, request)
        invitation, path = actions.invite(team=team, by=person(request), **given)
        url = request.build_absolute_uri(path)
        is_mailed = actions.send_invitation(invitation=invitation, url=url)
        invitation.__dict__ |= {"url": url, "is_mailed": is_mailed}
        body = MadeInvitationSerializer(invitation).data
        return never_store(Response(body, status=201, headers=NO_STORE))

    def _owned(self, request: Request, team_id: UUID) -> Team:
        team = get_object_or_404(my_teams(request), pk=team_id)
        require(person(request), team.pk, Role.OWNER)
        return team


class InvitationView(APIView):
    """One invitation, to be withdrawn."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="teams_invitations_withdraw", request=None, responses={204: None})
    def delete(self, request: Request, team_id: UUID, invitation_id: UUID) -> Response:
        team = get_object_or_404(my_teams(request), pk=team_id)
        require(person(request), team.pk, Role.OWNER)
        invitation = get_object_or_404(Invitation, pk=invitation_id, team=team)
        actions.withdraw_invitation(invitation=invitation, by=person(request))
        return Response(status=204)


class AcceptView(APIView):
    """Joining a team by the token of an invitation."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="invitations_accept", request=AcceptSerializer, responses=TeamSerializer)
    def post(self, request: Request) -> Response:
        if isinstance(request.auth, ApiKey):
            raise NotPermitted("An API key acts in its own team; log in to join another one.")
        membership = actions.accept_invitation(by=person(request), **checked(AcceptSerializer, request))
        return Response(TeamSerializer(membership.team, context={"request": request}).data)


class KeysView(PagedView):
    """API keys: one's own, and those of the teams one owns."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="tokens_list", responses=ApiKeySerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.page(my_keys(request), ApiKeySerializer)

    @extend_schema(
        operation_id="tokens_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewApiKeySerializer,
        responses={201: MadeApiKeySerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        key, text = actions.create_api_key(
            user=person(request),
            team=active_team(request),
            made_with=request.auth if isinstance(request.auth, ApiKey) else None,
            **checked(NewApiKeySerializer, request),
        )
        return never_store(Response(_with_text(key, text), status=201, headers=NO_STORE))


class KeyView(APIView):
    """One API key; DELETE revokes it at once and for ever."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="tokens_read", responses=ApiKeySerializer)
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(ApiKeySerializer(get_object_or_404(my_keys(request), pk=key_id)).data)

    @extend_schema(operation_id="tokens_revoke", request=None, responses={204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        actions.revoke_api_key(key=get_object_or_404(my_keys(request), pk=key_id), by=person(request))
        return Response(status=204)


def _with_text(key: ApiKey, text: str) -> dict[str, Any]:
    key.__dict__["key"] = text
    body: dict[str, Any] = MadeApiKeySerializer(key).data
    return body
