"""Tools and the servers they come from, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.bodies import editor_body
from apps.accounts.idempotency import idempotent
from apps.accounts.pages import person_of
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team
from apps.tools import actions
from apps.tools.models import ServerKind, ToolRow, ToolServer, ToolUse
from apps.tools.registry import installed, tool_of
from apps.tools.serializers import (
    FunctionPageSerializer,
    FunctionToolSerializer,
    ImportSerializer,
    NewToolSerializer,
    ServerChangesSerializer,
    ServerSerializer,
    ToolCallSerializer,
    ToolChangesSerializer,
    ToolSerializer,
    ToolTestSerializer,
    UseSerializer,
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

SEARCH = OpenApiParameter("q", str, description="Part of the name or the title.")


def find_tool(request: Request, tool_id: UUID) -> ToolRow:
    """Return a tool of any team of the person. Raises Http404."""
    visible = ToolRow.objects.visible_to(person_of(request)).select_related("server")
    found: ToolRow = get_object_or_404(visible, pk=tool_id)
    return found


def find_server(request: Request, server_id: UUID) -> ToolServer:
    """Return a tool server of any team of the person. Raises Http404."""
    found: ToolServer = get_object_or_404(ToolServer.objects.visible_to(person_of(request)), pk=server_id)
    return found


class ToolsView(PagedView):
    """The tools of a team; the functions of the installation are `tools/functions`."""

    @extend_schema(
        operation_id="tools_list",
        parameters=[TEAM, SEARCH, OpenApiParameter("server", str, description="Short name of a server.")],
        responses=ToolSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        found = ToolRow.objects.visible_to(person_of(request)).filter(team=active_team(request))
        text = request.query_params.get("q", "").strip()[:200]
        if text:
            found = found.filter(Q(name__icontains=text) | Q(title__icontains=text))
        if server := request.query_params.get("server"):
            found = found.filter(server__slug=server)
        return self.page(found.select_related("server"), ToolSerializer)

    @extend_schema(
        operation_id="tools_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewToolSerializer,
        responses={201: ToolSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = editor_body(NewToolSerializer, request, team.pk)
        made = actions.create_workflow_tool(team=team, by=person_of(request), **given)
        return created(request, made, ToolSerializer(made).data, f"/api/v1/tools/{made.pk}")


class ToolView(APIView):
    """One tool."""

    @extend_schema(operation_id="tools_read", responses=ToolSerializer)
    def get(self, request: Request, tool_id: UUID) -> Response:
        tool = find_tool(request, tool_id)
        return tagged(request, tool, ToolSerializer(tool).data)

    @extend_schema(
        operation_id="tools_update",
        parameters=[IF_MATCH],
        request=ToolChangesSerializer,
        responses=ToolSerializer,
    )
    def patch(self, request: Request, tool_id: UUID) -> Response:
        tool = find_tool(request, tool_id)
        given = editor_body(ToolChangesSerializer, request, tool.team_id)
        revision = expected_revision(request, tool)
        saved = actions.update_tool(tool=tool, revision=revision, by=person_of(request), **given)
        return tagged(request, saved, ToolSerializer(saved).data)

    @extend_schema(operation_id="tools_delete", request=None, responses={204: None})
    def delete(self, request: Request, tool_id: UUID) -> Response:
        actions.delete_tool(tool=find_tool(request, tool_id), by=person_of(request))
        return Response(status=204)


class FunctionsView(APIView):
    """The functions of the installation, which every team may call; all on one page."""

    scope = Scope.READ

    @extend_schema(operation_id="tools_functions", responses=FunctionPageSerializer)
    def get(self, request: Request) -> Response:
        found = [tool_of(function) for function in installed().values()]
        results = FunctionToolSerializer(found, many=True).data
        return Response({"results": results, "next": None, "previous": None})


class ToolTestView(APIView):
    """Call a tool or a function once, to try it."""

    @extend_schema(
        operation_id="tools_test", parameters=[TEAM], request=ToolCallSerializer, responses=ToolTestSerializer
    )
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = editor_body(ToolCallSerializer, request, team.pk)
        result = actions.test_tool(
            team=team, name=given["tool"], arguments=given.get("arguments", {}), by=person_of(request)
        )
        return Response(ToolTestSerializer(asdict(result)).data)


class UsesView(PagedView):
    """The calls of a team's tools, newest first: who, for whom, which arguments, how they ended."""

    @extend_schema(
        operation_id="tools_uses",
        parameters=[TEAM, OpenApiParameter("tool", str), OpenApiParameter("run", str)],
        responses=UseSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        found = ToolUse.objects.visible_to(person_of(request)).filter(team=active_team(request))
        if tool := request.query_params.get("tool"):
            found = found.filter(tool=tool[:200])
        if run := request.query_params.get("run"):
            try:
                found = found.filter(run=UUID(run))
            except ValueError:
                found = found.none()
        return self.page(found, UseSerializer)


class ImportView(APIView):
    """A server and its tools from an OpenAPI 3 document."""

    @extend_schema(
        operation_id="tools_import",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=ImportSerializer,
        responses={201: ServerSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = editor_body(ImportSerializer, request, team.pk)
        made = actions.import_openapi(team=team, by=person_of(request), **given)
        return created(request, made, ServerSerializer(made).data, f"/api/v1/tools/servers/{made.pk}")


class ServersView(PagedView):
    """The HTTP services whose documents were imported."""

    @extend_schema(
        operation_id="tools_servers_list", parameters=[TEAM], responses=ServerSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        mine = ToolServer.objects.visible_to(person_of(request))
        return self.page(mine.filter(team=active_team(request), kind=ServerKind.OPENAPI), ServerSerializer)


class ServerView(APIView):
    """One server of tools."""

    @extend_schema(operation_id="tools_servers_read", responses=ServerSerializer)
    def get(self, request: Request, server_id: UUID) -> Response:
        server = find_server(request, server_id)
        return tagged(request, server, ServerSerializer(server).data)

    @extend_schema(
        operation_id="tools_servers_update",
        parameters=[IF_MATCH],
        request=ServerChangesSerializer,
        responses=ServerSerializer,
    )
    def patch(self, request: Request, server_id: UUID) -> Response:
        server = find_server(request, server_id)
        given = editor_body(ServerChangesSerializer, request, server.team_id)
        revision = expected_revision(request, server)
        saved = actions.update_server(server=server, revision=revision, by=person_of(request), **given)
        return tagged(request, saved, ServerSerializer(saved).data)

    @extend_schema(operation_id="tools_servers_delete", request=None, responses={204: None})
    def delete(self, request: Request, server_id: UUID) -> Response:
        actions.delete_server(server=find_server(request, server_id), by=person_of(request))
        return Response(status=204)
