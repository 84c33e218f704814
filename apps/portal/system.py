"""The API of the operator plane: how the installation is doing. For staff only."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.scopes import HasScope, IsStaff, Scope
from apps.runs import figures
from orchestra.api import PagedView
from orchestra.health import READINESS

Out = serializers.Serializer[Any]


class SystemHealthSerializer(Out):
    status = serializers.ChoiceField(choices=["ready", "not_ready"])
    checks = serializers.DictField(child=serializers.BooleanField(), help_text="Dependencies by name.")
    workers_alive = serializers.IntegerField()
    slots = serializers.IntegerField()
    slots_busy = serializers.IntegerField()


class SystemWorkerSerializer(Out):
    name = serializers.CharField()
    queues = serializers.ListField(child=serializers.CharField())
    pool = serializers.CharField()
    slots = serializers.IntegerField()
    busy = serializers.IntegerField()
    version = serializers.CharField()
    started_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(help_text="The last heart-beat.")
    is_alive = serializers.BooleanField(help_text="Whether it holds its lease.")


class SystemQueueSerializer(Out):
    name = serializers.CharField()
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    oldest_queued_at = serializers.DateTimeField(allow_null=True)
    delay_seconds = serializers.FloatField(allow_null=True, help_text="What a message needs, as measured.")


class DeadLetterSerializer(Out):
    run = serializers.UUIDField(source="run_id")
    number = serializers.IntegerField(source="run.number")
    workflow = serializers.CharField(source="run.workflow.slug")
    team = serializers.CharField(source="run.team.slug")
    path = serializers.CharField()
    kind = serializers.CharField()
    queue = serializers.CharField()
    losses = serializers.IntegerField(help_text="Workers that were lost while they ran it.")
    attempt = serializers.IntegerField()
    error = serializers.JSONField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


def _page_of(row: type[Out]) -> Any:
    """Return the schema of a list of which there is one page only."""
    return inline_serializer(
        name=f"{row.__name__.removesuffix('Serializer')}Page",
        fields={
            "results": row(many=True),
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
        },
    )


class SystemView(APIView):
    """A view for operators; an API key needs the scope `admin`."""

    permission_classes = (IsAuthenticated, HasScope, IsStaff)
    read_scope = Scope.ADMIN


class SystemHealthView(SystemView):
    @extend_schema(operation_id="system_health", responses=SystemHealthSerializer)
    def get(self, request: Request) -> Response:
        checks = READINESS.check()
        alive = [worker for worker in figures.workers() if worker.is_alive]
        body = {
            "status": "ready" if all(checks.values()) else "not_ready",
            "checks": checks,
            "workers_alive": len(alive),
            "slots": sum(worker.slots for worker in alive),
            "slots_busy": sum(worker.busy for worker in alive),
        }
        return Response(SystemHealthSerializer(body).data)


class SystemWorkersView(SystemView):
    @extend_schema(operation_id="system_workers", responses=_page_of(SystemWorkerSerializer))
    def get(self, request: Request) -> Response:
        return Response(_whole([SystemWorkerSerializer(row).data for row in figures.workers()]))


class SystemQueuesView(SystemView):
    @extend_schema(operation_id="system_queues", responses=_page_of(SystemQueueSerializer))
    def get(self, request: Request) -> Response:
        return Response(_whole([SystemQueueSerializer(row).data for row in figures.queues()]))


class SystemDeadLettersView(PagedView, SystemView):
    """Node runs that were given up because worker after worker was lost while running them."""

    @extend_schema(operation_id="system_dead_letters", responses=DeadLetterSerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.page(figures.dead_letters(), DeadLetterSerializer)


def _whole(rows: list[Any]) -> dict[str, Any]:
    """Return rows in the shape of every list; there are few, so there is one page."""
    return {"results": rows, "next": None, "previous": None}
