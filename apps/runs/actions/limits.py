"""The limits of a run: what it may cost, and until when it may take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.runs import live, rows
from apps.runs.actions.ending import stop_run
from apps.runs.events import EventLog, Label
from apps.runs.models import Run
from orchestra.engine.status import RunStatus
from orchestra.errors import TimeLimit

BATCH = 200


def cost_of(run: str) -> float:
    """Return what a run has cost so far, by what has been recorded."""
    return float(Run.objects.values_list("cost", flat=True).get(pk=run))


def deadline_of(limits: Mapping[str, Any], created_at: datetime) -> datetime | None:
    """Return when a run has to have ended, counted from when it was accepted; None without a limit."""
    seconds = limits.get("duration")
    try:
        return None if seconds is None else created_at + timedelta(seconds=seconds)
    except OverflowError:
        return None


def end_overdue() -> int:
    """Fail the runs whose time is up, with `time_limit`; return how many. Safe to repeat."""
    overdue = Run.objects.open().filter(deadline_at__lt=timezone.now(), ends_as="")
    return sum(_end(run) for run in overdue.select_related("workflow").order_by("deadline_at")[:BATCH])


def _end(run: Run) -> bool:
    key = str(run.pk)
    log = EventLog(now=timezone.now())
    with transaction.atomic():
        transaction.on_commit(lambda: live.tell_workers({"cancel": key}))
        row = rows.lock_runs([key])[key]
        if RunStatus(row.status).is_final:
            return False
        seconds = (run.deadline_at - run.created_at).total_seconds() if run.deadline_at else 0.0
        error = TimeLimit(f"The run did not end within its limit of {seconds:g} s.").as_json()
        label = Label(str(run.team_id), run.workflow.slug, run.number)
        stop_run(row, label=label, log=log, status=RunStatus.FAILED, error={**error, "node": None})
        rows.save_runs([row])
        log.flush()
    live.broadcast(log.frames)
    return True
