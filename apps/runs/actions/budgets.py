"""What budgets do to runs: say in the log that money runs out, and hold runs back that have none."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.runs.actions.changing import changing
from apps.runs.actions.pause import PAUSABLE
from apps.runs.models import Run
from orchestra.engine.status import EventType, RunStatus


def root_of(run: str) -> str:
    """Return the outermost run that a run is a part of: itself, or the one that waits for it at the top."""
    key = UUID(run)
    while True:
        found = Run.objects.filter(pk=key, is_part=True).values_list("parent_id", flat=True).first()
        if found is None:
            return str(key)
        key = found


def note_budget(run: str, type_: EventType, path: str, **data: Any) -> None:
    """Write into the log of a run that a budget warns, or has nothing left; nothing when the run has ended."""
    found = Run.objects.select_related("workflow").filter(pk=UUID(run)).first()
    if found is None:
        return
    with changing(found) as change:
        if not RunStatus(change.row.status).is_final:
            change.event(type_, path, **data)


def pause_for_budget(run: str, budget: str) -> None:
    """Pause a run because a budget is spent; nothing when it is paused already or has ended."""
    found = Run.objects.select_related("workflow").filter(pk=UUID(run)).first()
    if found is None:
        return
    with changing(found) as change:
        if change.row.status in PAUSABLE:
            change.row.status = RunStatus.PAUSED
            change.run_event(EventType.RUN_PAUSED, by="", reason="budget", budget=budget)
