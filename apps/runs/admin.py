"""Runs, node runs, events and workers for operators: history to look at, and runs to cancel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from apps.accounts.models import User
from apps.accounts.rights import as_operator
from apps.runs.actions import cancel_run
from apps.runs.models import CanvasPart, Event, Leadership, NodeRun, Run, Worker
from orchestra.admin import BigTableAdmin, ProductAdmin, ReadOnly, act_on_each, pretty_json

STATUS_LABELS = {
    "queued": "info",
    "pending": "info",
    "running": "info",
    "waiting": "warning",
    "paused": "warning",
    "succeeded": "success",
    "failed": "danger",
}


@admin.register(Run)
class RunAdmin(ReadOnly, BigTableAdmin):
    list_display = [
        "__str__", "team", "shown_status", "progress", "origin", "started_by", "created_at", "finished_at", "cost",
    ]  # fmt: skip
    list_filter = ["status", "origin", "priority"]
    list_select_related = ["workflow", "team", "started_by"]
    search_fields = ["=id", "=workflow__slug"]
    search_help_text = _("Id of a run, or short name of a workflow")
    actions = ["cancel"]
    fields = [
        "id", "team", "workflow", "version", "number", "status", "priority", "origin", "tags", "started_by",
        "created_at", "started_at", "finished_at", "dispatched_at", "progress", "input_tokens",
        "output_tokens", "cost", "shown_input", "shown_output", "shown_error",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """Leave the large values out of the list."""
        rows: QuerySet[Run] = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "runs_run_changelist"
        return rows.defer("input", "output") if is_list else rows

    @display(description=_("status"), label=STATUS_LABELS)  # type: ignore[untyped-decorator]  # the theme's
    def shown_status(self, run: Run) -> tuple[str, str]:
        return run.status, run.get_status_display()

    @admin.display(description=_("nodes"))
    def progress(self, run: Run) -> str:
        return f"{run.nodes_done} / {run.nodes_total}"

    @admin.display(description=_("input"))
    def shown_input(self, run: Run) -> SafeString:
        return pretty_json(run.input)

    @admin.display(description=_("output"))
    def shown_output(self, run: Run) -> SafeString:
        return pretty_json(run.output)

    @admin.display(description=_("error"))
    def shown_error(self, run: Run) -> SafeString:
        return pretty_json(run.error)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
        by = as_operator(request.user)
        act_on_each(self, request, rows, lambda run: cancel_run(run=run, by=by), _("Cancelled"))


@admin.register(NodeRun)
class NodeRunAdmin(ReadOnly, BigTableAdmin):
    list_display = [
        "path",
        "run_id",
        "kind",
        "queue",
        "shown_status",
        "attempt",
        "worker",
        "started_at",
        "finished_at",
    ]
    list_filter = ["status", "queue"]
    search_fields = ["=run__id", "=worker"]
    search_help_text = _("Id of a run, or name of a worker")
    fields = [
        "run", "path", "node", "kind", "queue", "status", "attempt", "losses", "fence", "worker",
        "waiting_for", "due_at", "model", "input_tokens", "output_tokens", "cost", "queued_at", "started_at",
        "finished_at",
        "shown_input", "shown_output", "shown_error", "shown_attempts",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[NodeRun]:
        """Leave the large values out of the list."""
        rows: QuerySet[NodeRun] = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "runs_noderun_changelist"
        return rows.defer("input", "output", "item", "attempts") if is_list else rows

    @display(description=_("status"), label=STATUS_LABELS)  # type: ignore[untyped-decorator]  # the theme's
    def shown_status(self, node: NodeRun) -> tuple[str, str]:
        return node.status, node.get_status_display()

    @admin.display(description=_("input"))
    def shown_input(self, node: NodeRun) -> SafeString:
        return pretty_json(node.input)

    @admin.display(description=_("output"))
    def shown_output(self, node: NodeRun) -> SafeString:
        return pretty_json(node.output)

    @admin.display(description=_("error"))
    def shown_error(self, node: NodeRun) -> SafeString:
        return pretty_json(node.error)

    @admin.display(description=_("attempts"))
    def shown_attempts(self, node: NodeRun) -> SafeString:
        return pretty_json(node.attempts)


@admin.register(Event)
class EventAdmin(ReadOnly, BigTableAdmin):
    list_display = ["run_id", "seq", "type", "node", "at"]
    search_fields = ["=run__id"]
    search_help_text = _("Id of a run")
    fields = ["run", "seq", "type", "node", "at", "shown_data"]

    @admin.display(description=_("data"))
    def shown_data(self, event: Event) -> SafeString:
        return pretty_json(event.data)


@admin.register(Worker)
class WorkerAdmin(ReadOnly, ProductAdmin):
    list_display: Any = [
        "name", "queues", "pool", "slots", "busy", "version", "started_at", "seen_at", "lost_at",
    ]  # fmt: skip
    list_filter = ["pool"]
    search_fields = ["name"]
    ordering = ["-seen_at"]


@admin.register(CanvasPart)
class CanvasPartAdmin(ReadOnly, BigTableAdmin):
    list_display = ["group", "member", "size"]
    search_fields = ["=group"]


@admin.register(Leadership)
class LeadershipAdmin(ReadOnly, ProductAdmin):
    """Which process does what only one may do at a time."""

    list_display = ["name", "holder", "seen_at"]
    search_fields = ["name", "holder"]
