"""Ends of runs that start other runs. They are read from the runs themselves, so that no lost message loses one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.runs.models import Run
from apps.triggers.actions.firing import Cause, fire
from apps.triggers.models import Firing, Kind, Trigger

SLACK = timedelta(seconds=30)
"""A transaction that is still under way may carry an end that is up to this old."""
SAVED_EVERY = timedelta(seconds=10)
BATCH = 100
LONGEST_CHAIN = 16


def follow_endings(now: datetime | None = None) -> int:
    """Fire the event triggers for runs that have ended; return how many firings there were."""
    now = now or timezone.now()
    listening = Trigger.objects.of_kind(Kind.EVENT).order_by("pk")
    return sum(_follow(trigger, now) for trigger in listening)


def _follow(trigger: Trigger, now: datetime) -> int:
    found = list(_unanswered(trigger)[:BATCH])
    for run in found:
        refusal = _refusal(trigger.pk, run.pk)
        fire(
            trigger.pk,
            Cause(key=str(run.pk), scope={"run": _as_json(run)}, source_run=run.pk, refusal=refusal),
        )
    seen = found[-1].finished_at if len(found) == BATCH else now
    if seen and (trigger.scanned_at is None or seen - trigger.scanned_at > SAVED_EVERY):
        Trigger.objects.filter(pk=trigger.pk, enabled_at=trigger.enabled_at).update(scanned_at=seen)
    return len(found)


def _unanswered(trigger: Trigger) -> Any:
    since = trigger.enabled_at
    if trigger.scanned_at is not None:
        since = max(since, trigger.scanned_at - SLACK)
    answered = Firing.objects.filter(trigger=trigger, source_run=OuterRef("pk"))
    ended = Run.objects.filter(
        ~Exists(answered),
        team_id=trigger.team_id,
        finished_at__gte=since,
        status__in=trigger.settings["statuses"],
    )
    if trigger.source_id is not None:
        ended = ended.filter(workflow_id=trigger.source_id)
    return ended.select_related("workflow").only(
        "number", "status", "input", "output", "error", "finished_at", "workflow__slug"
    ).order_by("finished_at", "pk")  # fmt: skip


def _refusal(trigger: UUID, run: UUID) -> str:
    """Say why the end of a run must not fire a trigger: it stands in the chain that led to this run already."""
    current = run
    for _step in range(LONGEST_CHAIN):
        found = Firing.objects.filter(run_id=current).values_list("trigger_id", "source_run_id").first()
        if found is None:
            return ""
        if found[0] == trigger:
            return "This run was started by way of this trigger: it would go round in a circle."
        if found[1] is None:
            return ""
        current = found[1]
    return f"Ends of runs have started {LONGEST_CHAIN} runs in a row: the chain ends here."


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "number": run.number,
        "workflow": run.workflow.slug,
        "status": str(run.status),
        "input": run.input,
        "output": run.output,
        "error": run.error,
    }
