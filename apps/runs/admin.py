"""Runs, node runs, events and workers for operators: history to look at, and runs to cancel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from apps.accounts.models import User
from apps.accounts.rights import as_operator
from apps.runs import actions
from apps.runs.models import (
    Admission,
    Approval,
    Assignment,
    CacheEntry,
    CanvasPart,
    Effect,
    Event,
    JournalEntry,
    Leadership,
    NodeRun,
    QueueProbe,
    Run,
    Signal,
    Vote,
    Worker,
)
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


class OfRun:
    """Mixin: a column with the id of the run, which costs no query."""

    @admin.display(description=_("run"))
    def of_run(self, row: Any) -> str:
        return str(row.run_id)


@admin.register(Run)
class RunAdmin(ReadOnly, BigTableAdmin):
    list_display = [
        "__str__", "team", "shown_status", "progress", "origin", "started_by", "created_at", "finished_at", "cost",
    ]  # fmt: skip
    list_filter = ["status", "origin", "priority"]
    list_select_related = ["workflow", "team", "started_by"]
    search_fields = ["=id", "=workflow__slug"]
    search_help_text = _("Id of a run, or short name of a workflow")
    actions = ["cancel", "pause", "resume", "retry"]
    fields = [
        "id", "team", "workflow", "version", "number", "status", "priority", "origin", "tags", "started_by",
        "forked_from", "dedup_key", "is_held", "created_at", "started_at", "finished_at", "deadline_at", "ends_as",
        "dispatched_at", "progress",
        "input_tokens", "output_tokens", "cost", "shown_input", "shown_output", "shown_error",
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

    def has_control_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Cancel"), permissions=["control"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        self._act(request, rows, actions.cancel_run, _("Cancelled"))

    @admin.action(description=_("Pause"), permissions=["control"])
    def pause(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        self._act(request, rows, actions.pause_run, _("Paused"))

    @admin.action(description=_("Resume"), permissions=["control"])
    def resume(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        self._act(request, rows, actions.resume_run, _("Resumed"))

    @admin.action(description=_("Retry"), permissions=["control"])
    def retry(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        self._act(request, rows, actions.retry_run, _("Retried"))

    def _act(self, request: HttpRequest, rows: QuerySet[Run], act: Any, done: str | Promise) -> None:
        assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
        by = as_operator(request.user)
        act_on_each(self, request, rows, lambda run: act(run=run, by=by), done)


@admin.register(Assignment)
class AssignmentAdmin(OfRun, ReadOnly, BigTableAdmin):
    list_display = ["path", "of_run", "status", "agent_name", "attempt", "losses", "leased_at", "finished_at"]
    list_filter = ["status"]
    search_fields = ["=run__id", "=agent_name"]
    search_help_text = _("Id of a run, or short name of an agent")
    fields = [
        "run", "path", "attempt", "status", "agent", "agent_name", "wanted", "strategy", "fence", "losses",
        "created_at", "leased_at", "lease_until", "deadline_at", "finished_at", "shown_payload", "shown_choice",
        "shown_output", "shown_error",
    ]  # fmt: skip

    @admin.display(description=_("payload"))
    def shown_payload(self, assignment: Assignment) -> SafeString:
        return pretty_json(assignment.payload)

    @admin.display(description=_("choice"))
    def shown_choice(self, assignment: Assignment) -> SafeString:
        return pretty_json(assignment.choice)

    @admin.display(description=_("output"))
    def shown_output(self, assignment: Assignment) -> SafeString:
        return pretty_json(assignment.output)

    @admin.display(description=_("error"))
    def shown_error(self, assignment: Assignment) -> SafeString:
        return pretty_json(assignment.error)


@admin.register(NodeRun)
class NodeRunAdmin(OfRun, ReadOnly, BigTableAdmin):
    list_display = [
        "path",
        "of_run",
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
class EventAdmin(OfRun, ReadOnly, BigTableAdmin):
    list_display = ["of_run", "seq", "type", "node", "at"]
    search_fields = ["=run__id"]
    search_help_text = _("Id of a run")
    fields = ["run", "seq", "type", "node", "at", "shown_data"]

    @admin.display(description=_("data"))
    def shown_data(self, event: Event) -> SafeString:
        return pretty_json(event.data)


@admin.register(Approval)
class ApprovalAdmin(OfRun, ReadOnly, BigTableAdmin):
    list_display = ["title", "team", "of_run", "path", "status", "requested_at", "due_at", "decided_by"]
    list_filter = ["status"]
    list_select_related = ["team", "decided_by"]
    search_fields = ["=id", "=run__id"]
    search_help_text = _("Id of an approval or of a run")
    fields = [
        "id", "team", "run", "path", "status", "title", "body", "shown_form", "assignees", "role", "people",
        "assigned_teams", "quorum", "requested_at", "due_at", "decided_at", "decided_by",
    ]  # fmt: skip

    @admin.display(description=_("form"))
    def shown_form(self, approval: Approval) -> SafeString:
        return pretty_json(approval.form)


@admin.register(Vote)
class VoteAdmin(ReadOnly, BigTableAdmin):
    list_display = ["approval", "by", "decision", "at"]
    list_select_related = ["approval", "by"]
    search_fields = ["=approval__id", "=by__username"]
    search_help_text = _("Id of an approval, or a user name")
    fields = ["approval", "by", "decision", "comment", "shown_form", "at"]

    @admin.display(description=_("form"))
    def shown_form(self, vote: Vote) -> SafeString:
        return pretty_json(vote.form)


@admin.register(Signal)
class SignalAdmin(OfRun, ReadOnly, BigTableAdmin):
    """Signals that no node has taken yet."""

    list_display = ["name", "of_run", "sent_by", "sent_at"]
    list_select_related = ["sent_by"]
    search_fields = ["=run__id", "=name"]
    search_help_text = _("Id of a run, or name of a signal")
    fields = ["run", "name", "shown_payload", "sent_by", "sent_at"]

    @admin.display(description=_("payload"))
    def shown_payload(self, signal: Signal) -> SafeString:
        return pretty_json(signal.payload)


@admin.register(CacheEntry)
class CacheEntryAdmin(ReadOnly, BigTableAdmin):
    """Results that nodes with `cache` may reuse."""

    list_display = ["__str__", "team", "created_at", "expires_at"]
    list_filter = ["kind"]
    list_select_related = ["team"]
    search_fields = ["=key"]
    fields = ["team", "key", "kind", "created_at", "expires_at", "shown_output"]

    @admin.display(description=_("output"))
    def shown_output(self, entry: CacheEntry) -> SafeString:
        return pretty_json(entry.output)


@admin.register(Effect)
class EffectAdmin(OfRun, ReadOnly, BigTableAdmin):
    """Effects that may happen once only, and what people said about them."""

    list_display = ["of_run", "path", "state", "decision", "decided_by", "sent_at", "settled_at"]
    list_filter = ["state", "decision"]
    list_select_related = ["decided_by"]
    search_fields = ["=run__id"]
    search_help_text = _("Id of a run")
    fields = [
        "run", "path", "state", "reason", "worker", "decision", "decided_by", "prepared_at", "sent_at",
        "settled_at", "shown_late_output",
    ]  # fmt: skip

    @admin.display(description=_("late result"))
    def shown_late_output(self, effect: Effect) -> SafeString:
        return pretty_json(effect.late_output)


@admin.register(JournalEntry)
class JournalEntryAdmin(OfRun, ReadOnly, BigTableAdmin):
    """Steps of node runs that later attempts need not take again."""

    list_display = ["of_run", "path", "round", "key", "at"]
    search_fields = ["=run__id"]
    search_help_text = _("Id of a run")
    fields = ["run", "path", "round", "key", "shown_entry", "at"]

    @admin.display(description=_("entry"))
    def shown_entry(self, entry: JournalEntry) -> SafeString:
        return pretty_json(entry.entry)


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
    list_display = ["group", "member", "size", "created_at"]
    search_fields = ["=group"]


@admin.register(Leadership)
class LeadershipAdmin(ReadOnly, ProductAdmin):
    """Which process does what only one may do at a time."""

    list_display = ["name", "holder", "seen_at"]
    search_fields = ["name", "holder"]


@admin.register(QueueProbe)
class QueueProbeAdmin(ReadOnly, ProductAdmin):
    """How long messages take in each queue."""

    list_display = ["queue", "delay_seconds", "sent_at", "seen_at"]
    search_fields = ["queue"]


@admin.register(Admission)
class AdmissionAdmin(ReadOnly, ProductAdmin):
    """Who uses an account at a provider, where no Redis keeps it."""

    list_display = ["account", "changed_at"]
    search_fields = ["account"]
