"""MCP servers over HTTP: what a team may call there, tested and accepted."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.bodies import editor_body
from apps.accounts.idempotency import idempotent
from apps.accounts.pages import person_of
from apps.accounts.teams import active_team
from apps.tools import actions
from apps.tools.api import find_server, find_tool
from apps.tools.models import ServerKind, ToolServer
from apps.tools.serializers import (
    NewMcpServerSerializer,
    ServerChangesSerializer,
    ServerSerializer,
    ServerTestSerializer,
    ToolSerializer,
)
from orchestra.api import IDEMPOTENCY_KEY, IF_MATCH, TEAM, PagedView, created, expected_revision, tagged


def find_mcp_server(request: Request, server_id: UUID) -> ToolServer:
    """Return an MCP server of any team of the person. Raises Http404."""
    found = find_server(request, server_id)
    if not found.is_mcp:
        raise Http404
    return found


class McpServersView(PagedView):
    """The MCP servers of a team."""

    @extend_schema(operation_id="mcp_servers_list", parameters=[TEAM], responses=ServerSerializer(many=True))
    def get(self, request: Request) -> Response:
        mine = ToolServer.objects.visible_to(person_of(request)).filter(team=active_team(request))
        return self.page(mine.exclude(kind=ServerKind.OPENAPI), ServerSerializer)

    @extend_schema(
        operation_id="mcp_servers_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewMcpServerSerializer,
        responses={201: ServerSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = editor_body(NewMcpServerSerializer, request, team.pk)
        kind = ServerKind.STDIO if given.get("program") else ServerKind.MCP
        made = actions.create_server(team=team, kind=kind, by=person_of(request), **given)
        return created(request, made, ServerSerializer(made).data, f"/api/v1/mcp/servers/{made.pk}")


class McpServerView(APIView):
    """One MCP server."""

    @extend_schema(operation_id="mcp_servers_read", responses=ServerSerializer)
    def get(self, request: Request, server_id: UUID) -> Response:
        server = find_mcp_server(request, server_id)
        return tagged(request, server, ServerSerializer(server).data)

    @extend_schema(
        operation_id="mcp_servers_update",
        parameters=[IF_MATCH],
        request=ServerChangesSerializer,
        responses=ServerSerializer,
    )
    def patch(self, request: Request, server_id: UUID) -> Response:
        server = find_mcp_server(request, server_id)
        given = editor_body(ServerChangesSerializer, request, server.team_id)
        revision = expected_revision(request, server)
        saved = actions.update_server(server=server, revision=revision, by=person_of(request), **given)
        return tagged(request, saved, ServerSerializer(saved).data)

    @extend_schema(operation_id="mcp_servers_delete", request=None, responses={204: None})
    def delete(self, request: Request, server_id: UUID) -> Response:
        actions.delete_server(server=find_mcp_server(request, server_id), by=person_of(request))
        return Response(status=204)


class McpServerTestView(APIView):
    """Connect to an MCP server, read its tools, pin those that are new, and say which have changed."""

    @extend_schema(operation_id="mcp_servers_test", request=None, responses=ServerTestSerializer)
    def post(self, request: Request, server_id: UUID) -> Response:
        server = find_mcp_server(request, server_id)
        result = actions.test_server(server=server, by=person_of(request))
        return Response(ServerTestSerializer(asdict(result)).data)


class ToolAcceptView(APIView):
    """Take over what the server offers now in place of what was accepted before."""

    @extend_schema(operation_id="tools_accept", request=None, responses=ToolSerializer)
    def post(self, request: Request, tool_id: UUID) -> Response:
        saved = actions.accept_tool(tool=find_tool(request, tool_id), by=person_of(request))
        return tagged(request, saved, ToolSerializer(saved).data)
