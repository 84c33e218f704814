"""Connections and agents over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.bodies import editor_body
from apps.accounts.idempotency import idempotent
from apps.accounts.pages import person_of
from apps.accounts.teams import active_team
from apps.agents import actions
from apps.agents.models import Agent, Connection
from apps.agents.serializers import (
    AgentChangesSerializer,
    AgentSerializer,
    BreakerChangeSerializer,
    ConnectionChangesSerializer,
    ConnectionSerializer,
    ConnectionTestSerializer,
    NewAgentSerializer,
    NewConnectionSerializer,
)
from orchestra.api import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    TEAM,
    PagedView,
    created,
    expected_revision,
    tagged,
)
from orchestra.errors import InvalidInput, Problem

SEARCH = OpenApiParameter("q", str, description="Part of the name or the short name.")


def find_connection(request: Request, connection_id: UUID) -> Connection:
    """Return a connection of any team of the person. Raises Http404."""
    visible = Connection.objects.visible_to(person_of(request)).select_related("breaker")
    found: Connection = get_object_or_404(visible, pk=connection_id)
    return found


def find_agent(request: Request, agent_id: UUID) -> Agent:
    """Return an agent of any team of the person. Raises Http404."""
    visible = Agent.objects.visible_to(person_of(request)).select_related("connection")
    found: Agent = get_object_or_404(visible, pk=agent_id)
    return found


def named(rows: QuerySet[Any, Any], request: Request) -> QuerySet[Any, Any]:
    """Return the rows of the request's team that its `?q=` names."""
    rows = rows.filter(team=active_team(request))
    text = request.query_params.get("q", "").strip()[:200]
    return rows.filter(Q(name__icontains=text) | Q(slug__icontains=text)) if text else rows


class ConnectionsView(PagedView):
    """The connections of a team."""

    @extend_schema(
        operation_id="connections_list",
        parameters=[TEAM, SEARCH],
        responses=ConnectionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        visible = Connection.objects.visible_to(person_of(request)).select_related("breaker")
        return self.page(named(visible, request), ConnectionSerializer)

    @extend_schema(
        operation_id="connections_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewConnectionSerializer,
        responses={201: ConnectionSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = editor_body(NewConnectionSerializer, request, team.pk)
        made = actions.create_connection(team=team, by=person_of(request), **given)
        return created(request, made, ConnectionSerializer(made).data, f"/api/v1/connections/{made.pk}")


class ConnectionView(APIView):
    """One connection."""

    @extend_schema(operation_id="connections_read", responses=ConnectionSerializer)
    def get(self, request: Request, connection_id: UUID) -> Response:
        connection = find_connection(request, connection_id)
        return tagged(request, connection, ConnectionSerializer(connection).data)

    @extend_schema(
        operation_id="connections_update",
        parameters=[IF_MATCH],
        request=ConnectionChangesSerializer,
        responses=ConnectionSerializer,
    )
    def patch(self, request: Request, connection_id: UUID) -> Response:
        connection = find_connection(request, connection_id)
        given = editor_body(ConnectionChangesSerializer, request, connection.team_id)
        revision = expected_revision(request, connection)
        saved = actions.update_connection(
            connection=connection, revision=revision, by=person_of(request), **given
        )
        return tagged(request, saved, ConnectionSerializer(saved).data)

    @extend_schema(operation_id="connections_delete", request=None, responses={204: None})
    def delete(self, request: Request, connection_id: UUID) -> Response:
        connection = find_connection(request, connection_id)
        actions.delete_connection(connection=connection, by=person_of(request))
        return Response(status=204)


class ConnectionTestView(APIView):
    """Try a connection: does the provider answer, does it take the secret, which models does it offer."""

    @extend_schema(operation_id="connections_test", request=None, responses=ConnectionTestSerializer)
    def post(self, request: Request, connection_id: UUID) -> Response:
        connection = find_connection(request, connection_id)
        result = actions.test_connection(connection=connection, by=person_of(request))
        return Response(ConnectionTestSerializer(asdict(result)).data)


class BreakerChangesView(PagedView):
    """What happened to a connection's circuit breaker, newest first."""

    @extend_schema(operation_id="connections_breaker", responses=BreakerChangeSerializer(many=True))
    def get(self, request: Request, connection_id: UUID) -> Response:
        return self.page(
            find_connection(request, connection_id).breaker_changes.all(), BreakerChangeSerializer
        )


class BreakerCloseView(APIView):
    """Let calls go to a provider again at once."""

    @extend_schema(operation_id="connections_close_breaker", request=None, responses=ConnectionSerializer)
    def post(self, request: Request, connection_id: UUID) -> Response:
        actions.close_breaker(connection=find_connection(request, connection_id), by=person_of(request))
        return Response(ConnectionSerializer(find_connection(request, connection_id)).data)


class AgentsView(PagedView):
    """The agents of a team."""

    @extend_schema(
        operation_id="agents_list", parameters=[TEAM, SEARCH], responses=AgentSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        visible = Agent.objects.visible_to(person_of(request)).select_related("connection")
        return self.page(named(visible, request), AgentSerializer)

    @extend_schema(
        operation_id="agents_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewAgentSerializer,
        responses={201: AgentSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = with_connection(editor_body(NewAgentSerializer, request, team.pk), team.pk)
        made = actions.create_agent(team=team, by=person_of(request), **given)
        return created(request, made, AgentSerializer(made).data, f"/api/v1/agents/{made.pk}")


class AgentView(APIView):
    """One agent."""

    @extend_schema(operation_id="agents_read", responses=AgentSerializer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        agent = find_agent(request, agent_id)
        return tagged(request, agent, AgentSerializer(agent).data)

    @extend_schema(
        operation_id="agents_update",
        parameters=[IF_MATCH],
        request=AgentChangesSerializer,
        responses=AgentSerializer,
    )
    def patch(self, request: Request, agent_id: UUID) -> Response:
        agent = find_agent(request, agent_id)
        given = with_connection(editor_body(AgentChangesSerializer, request, agent.team_id), agent.team_id)
        revision = expected_revision(request, agent)
        saved = actions.update_agent(agent=agent, revision=revision, by=person_of(request), **given)
        return tagged(request, saved, AgentSerializer(saved).data)

    @extend_schema(operation_id="agents_delete", request=None, responses={204: None})
    def delete(self, request: Request, agent_id: UUID) -> Response:
        actions.delete_agent(agent=find_agent(request, agent_id), by=person_of(request))
        return Response(status=204)


def with_connection(given: dict[str, Any], team_id: UUID) -> dict[str, Any]:
    """Replace a connection's short name or id by the team's connection. Raises InvalidInput."""
    key = given.get("connection")
    if key is None:
        return given
    try:
        wanted = Q(pk=UUID(key))
    except ValueError:
        wanted = Q(slug=key)
    found = Connection.objects.filter(wanted, team_id=team_id).first()
    if found is None:
        raise InvalidInput(problems=[Problem("connection", "unknown", "There is no such connection.")])
    return {**given, "connection": found}
