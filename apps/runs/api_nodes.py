"""Node runs over HTTP: what each node of a run was given and what it made of it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.runs.api import find_run
from apps.runs.handed_over import assignments_of
from apps.runs.models import NodeRun
from apps.runs.serializers import NodeRunDetailSerializer, NodeRunSerializer
from apps.runs.why import why
from orchestra.api import PagedView
from orchestra.engine.status import NodeStatus


class NodePath:
    """A node run's path in a URL: `outline`, `views[2]`, `views[2].draft`."""

    regex = r"[a-z0-9_.$\[\]]{1,400}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class NodesView(PagedView):
    """The node runs of a run, in the order they were made; a page ends early when its values are large."""

    is_ascending = True

    filters = ("kind", "scope", "status")

    @extend_schema(
        operation_id="nodes_list",
        parameters=[
            OpenApiParameter("status", str, enum=[status.value for status in NodeStatus]),
            OpenApiParameter("scope", str, description="`views[2]`; empty: the run's own nodes only."),
            OpenApiParameter("kind", str),
        ],
        responses=NodeRunSerializer(many=True),
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        query = request.query_params
        found = find_run(request, run_id).node_runs.defer("item", "ports")
        if (status := query.get("status")) is not None:
            if status not in set(NodeStatus):
                raise ValidationError({"status": [f"There is no status {status[:40]!r}."]})
            found = found.filter(status=status)
        if (scope := query.get("scope")) is not None:
            found = found.filter(scope=scope)
        if (kind := query.get("kind")) is not None:
            found = found.filter(kind=kind)
        return self.page(found, NodeRunSerializer)

    def weigh(self, row: Any) -> int:
        """Return about how many bytes a node run takes in the answer."""
        node: NodeRun = row
        return sum(len(json.dumps(value)) for value in (node.input, node.output, node.error, node.attempts))


class NodeView(APIView):
    """One node run, by its path."""

    @extend_schema(
        operation_id="nodes_read",
        parameters=[OpenApiParameter("path", str, OpenApiParameter.PATH, description="`views[2].draft`")],
        responses=NodeRunDetailSerializer,
    )
    def get(self, request: Request, run_id: UUID, path: str) -> Response:
        run = find_run(request, run_id)
        found = run.node_runs.filter(path=path).first()
        if found is None:
            raise Http404
        reason = why(found, run)
        shown = {"why": reason.as_json() if reason else None, "assignments": assignments_of(found)}
        return Response(NodeRunDetailSerializer(found, context=shown).data)
