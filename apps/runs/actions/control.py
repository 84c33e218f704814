"""What people do to a run that is under way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs import live, rows
from apps.runs.actions.ending import stop_run
from apps.runs.actions.places import give_up_places
from apps.runs.dispatch import send_advance
from apps.runs.events import EventLog, Label
from apps.runs.models import Run
from orchestra.engine.status import RunStatus
from orchestra.errors import Conflict

BATCH = 100


def cancel_run(*, run: Run, by: User) -> Run:
    """Cancel a run: what has not ended is cancelled at once, and workers are told to stop what they run.

    A result that arrives later is refused by its fence. What nodes with `compensate` did is undone before the run
    has ended; a second cancelling stops that too. Raises Conflict when the run has ended.
    """
    require(by, run.team_id, Role.OPERATOR)
    _cancel(run, by.name)
    run.refresh_from_db()
    return run


def cancel_orphans() -> int:
    """Cancel child runs whose parents were stopped; return how many. Safe to repeat."""
    left = Run.objects.open().filter(is_part=True, parent__status__in=[RunStatus.CANCELLED, RunStatus.FAILED])
    return _cancel_each(left.select_related("workflow")[:BATCH], "")


def cancel_dropped(keys: Sequence[UUID], *, by: str) -> int:
    """Cancel child runs whose parents do not wait for them any more; return how many."""
    left = Run.objects.open().filter(pk__in=keys, is_part=True)
    return _cancel_each(left.select_related("workflow"), by) if keys else 0


def _cancel_each(runs: Iterable[Run], by: str) -> int:
    count = 0
    for run in runs:
        with suppress(Conflict):
            _cancel(run, by)
            count += 1
    return count


def _cancel(run: Run, by: str) -> None:
    """Cancel a run and the runs within it; the run around it is told."""
    key = str(run.pk)
    log = EventLog(now=timezone.now())
    with transaction.atomic():
        transaction.on_commit(lambda: live.tell_workers({"cancel": key}))
        row = rows.lock_runs([key])[key]
        if RunStatus(row.status).is_final:
            raise Conflict(f"This run has already ended: {row.status}.")
        label = Label(str(run.team_id), run.workflow.slug, run.number)
        stop_run(row, label=label, log=log, status=RunStatus.CANCELLED, by=by)
        rows.save_runs([row])
        log.flush()
    live.broadcast(log.frames)
    if run.workflow.max_runs is not None:
        give_up_places([key])
    if run.parent_id is not None:
        send_advance(str(run.parent_id), run.priority)
    within = Run.objects.open().filter(parent=run, is_part=True, created_at__lte=log.now)
    _cancel_each(within.select_related("workflow"), by)
