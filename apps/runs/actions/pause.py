"""Holding a run back for a while: nothing new is begun, what is under way may end and is recorded."""

from __future__ import annotations

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs.actions.changing import changing
from apps.runs.dispatch import advance_after_commit
from apps.runs.models import Run
from orchestra.engine.status import EventType, RunStatus
from orchestra.errors import Conflict

PAUSABLE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING)


def pause_run(*, run: Run, by: User) -> Run:
    """Pause a run: no node is claimed and nothing that falls due is released until it is resumed.

    What runs may end and is recorded; when that was the last of it, the run ends. Raises Conflict when the run has
    ended or is paused already.
    """
    require(by, run.team_id, Role.OPERATOR)
    with changing(run) as change:
        if change.row.status not in PAUSABLE:
            raise Conflict(
                "This run is paused already."
                if change.row.status == RunStatus.PAUSED
                else f"This run has already ended: {change.row.status}."
            )
        change.row.status = RunStatus.PAUSED
        change.run_event(EventType.RUN_PAUSED, by=by.name)
    return run


def resume_run(*, run: Run, by: User) -> Run:
    """Let a paused run go on; what became ready meanwhile is sent out. Raises Conflict when it is not paused."""
    require(by, run.team_id, Role.OPERATOR)
    with changing(run) as change:
        if change.row.status != RunStatus.PAUSED:
            raise Conflict(f"This run is not paused: {change.row.status}.")
        change.row.status = RunStatus.RUNNING if change.row.started_at else RunStatus.QUEUED
        change.run_event(EventType.RUN_RESUMED, by=by.name)
        advance_after_commit(run)
    return run
