"""Remote agents over HTTP: tokens, registering, how agents stand, and who can do what."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.bodies import editor_body
from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team
from apps.agents import actions
from apps.agents.agent_authentication import AgentAuthentication, RegistrationAuthentication
from apps.agents.api import SEARCH, find_agent, named
from apps.agents.matching import choose_agent, explain_match
from apps.agents.matching import named as able
from apps.agents.models import Agent, AgentToken, Transport
from apps.agents.serializers_remote import (
    AgentTokenSerializer,
    DrainSerializer,
    HeartbeatAnswerSerializer,
    HeartbeatSerializer,
    MadeAgentTokenSerializer,
    MatchesSerializer,
    NewAgentTokenSerializer,
    RegisteredSerializer,
    RegistrationSerializer,
    StandingSerializer,
)
from apps.agents.standing import AgentState, state_in_sql, state_of
from orchestra.api import TEAM, PagedView, checked
from orchestra.engine.capabilities import BadCapability, read_all
from orchestra.engine.selection import BALANCED, STRATEGIES

BEATS_PER_LEASE = 3
NO_STORE = {"Cache-Control": "no-store"}


class AgentTokensView(PagedView):
    """Registration tokens: what lets programs in as agents of the team."""

    read_scope = Scope.WRITE

    @extend_schema(
        operation_id="agent_tokens_list", parameters=[TEAM], responses=AgentTokenSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        tokens = AgentToken.objects.visible_to(person_of(request)).filter(team=active_team(request))
        return self.page(tokens, AgentTokenSerializer)

    @extend_schema(
        operation_id="agent_tokens_create",
        parameters=[TEAM],
        request=NewAgentTokenSerializer,
        responses={201: MadeAgentTokenSerializer},
    )
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = editor_body(NewAgentTokenSerializer, request, team.pk)
        token, text = actions.create_agent_token(team=team, by=person_of(request), **given)
        token.__dict__["token"] = text
        return Response(MadeAgentTokenSerializer(token).data, status=201, headers=NO_STORE)


class AgentTokenView(APIView):
    """One registration token; DELETE revokes it: its agents stay, and nobody registers with it any more."""

    @extend_schema(operation_id="agent_tokens_revoke", request=None, responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        mine = AgentToken.objects.visible_to(person_of(request))
        actions.revoke_agent_token(token=get_object_or_404(mine, pk=token_id), by=person_of(request))
        return Response(status=204)


class RegisterView(APIView):
    """Register a program as an agent, with a registration token.

    The same name over the same token is the same agent again; it gets a new key, and the old one ends.
    """

    authentication_classes = (RegistrationAuthentication,)
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="agents_register", request=RegistrationSerializer, responses={201: RegisteredSerializer}
    )
    def post(self, request: Request) -> Response:
        given = checked(RegistrationSerializer, request.data)
        token: Any = request.auth
        made = actions.register_agent(token=token, **given)
        lease = settings.ORCHESTRA_AGENT_LEASE_SECONDS
        made.agent.__dict__ |= {
            "key": made.key,
            "lease_seconds": lease,
            "beat_seconds": lease / BEATS_PER_LEASE,
        }
        return Response(RegisteredSerializer(made.agent).data, status=201, headers=NO_STORE)


class HeartbeatView(APIView):
    """A sign of life, with the agent's own key; what is not reported stays as it was."""

    authentication_classes = (AgentAuthentication,)
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="agents_heartbeat", request=HeartbeatSerializer, responses=HeartbeatAnswerSerializer
    )
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent: Any = request.auth
        if agent.pk != agent_id:
            raise Http404
        report = checked(HeartbeatSerializer, request.data)
        actions.note_sign_of_life(agent=agent, transport=Transport.HTTP, report=report)
        agent.presence.refresh_from_db()
        lease = settings.ORCHESTRA_AGENT_LEASE_SECONDS
        body = {"state": state_of(agent), "lease_seconds": lease, "beat_seconds": lease / BEATS_PER_LEASE}
        return Response(HeartbeatAnswerSerializer(body).data)


class HealthView(PagedView):
    """How the agents of the team stand."""

    filters = ("q", "state", "kind")

    @extend_schema(
        operation_id="agents_health",
        parameters=[
            TEAM,
            SEARCH,
            OpenApiParameter("state", str, enum=AgentState.values),
            OpenApiParameter("kind", str, enum=["local", "remote"]),
        ],
        responses=StandingSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        agents = named(Agent.objects.visible_to(person_of(request)), request).select_related("presence")
        if (kind := request.query_params.get("kind")) is not None:
            agents = agents.filter(kind=kind[:20])
        if (state := request.query_params.get("state")) is not None:
            if state not in AgentState.values:
                raise ValidationError({"state": [f"There is no state {state[:40]!r}."]})
            agents = agents.annotate(state_now=state_in_sql()).filter(state_now=state)
        return self.page(agents, StandingSerializer)


class MatchView(APIView):
    """Who can do this, and why or why not: `?require=translate;languages=de&require=…`."""

    @extend_schema(
        operation_id="agents_match",
        parameters=[
            TEAM,
            OpenApiParameter(
                "require", str, many=True, description="A capability with what it has to allow."
            ),
            OpenApiParameter("strategy", str, enum=list(STRATEGIES)),
        ],
        responses=MatchesSerializer,
    )
    def get(self, request: Request) -> Response:
        team = active_team(request)
        requires = _requires(request)
        strategy = request.query_params.get("strategy", BALANCED)
        if strategy not in STRATEGIES:
            raise ValidationError({"strategy": [f"Say one of: {', '.join(STRATEGIES)}."]})
        mine = Agent.objects.visible_to(person_of(request)).filter(team=team)
        first = list(able(mine, requires).values_list("pk", flat=True)[:25])
        shown = mine.filter(pk__in=first) | mine.exclude(pk__in=first).filter(
            pk__in=list(mine.values_list("pk", flat=True)[:25])
        )
        choice = choose_agent(team.pk, requires=requires, strategy=strategy)
        body = {
            "requires": requires,
            "choice": choice.as_json() if choice else None,
            "matches": explain_match(shown, requires),
        }
        return Response(MatchesSerializer(body).data)


class DrainView(APIView):
    """Give a remote agent nothing new (`draining: true`), or again something."""

    scope = Scope.RUN

    @extend_schema(operation_id="agents_drain", request=DrainSerializer, responses=StandingSerializer)
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent = find_agent(request, agent_id)
        require(person_of(request), agent.team_id, Role.OPERATOR)
        is_draining = checked(DrainSerializer, request.data)["draining"]
        changed = actions.drain_agent(agent=agent, is_draining=is_draining, by=person_of(request))
        return Response(StandingSerializer(changed).data)


def _requires(request: Request) -> list[dict[str, Any]]:
    try:
        return read_all(request.query_params.getlist("require"))
    except BadCapability as error:
        raise ValidationError({"require": [str(error)]}) from None
