"""What keeps runs true when something breaks: lost workers, due retries, messages that never arrived.

Each function is one short pass that is safe to run twice and by two processes at once; `workers.upkeep` calls them
every second from whichever process leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.runs import live, rows
from apps.runs.actions.facts import FactBook
from apps.runs.actions.finish import finish_run
from apps.runs.actions.state import RETRY, RunState
from apps.runs.dispatch import send_advance
from apps.runs.events import EventLog
from apps.runs.models import NodeRun, Run, Worker
from apps.runs.rows import NodeRow
from orchestra.engine.outcome import Failed
from orchestra.engine.status import NodeStatus, RunStatus
from orchestra.errors import WorkerLost

GRACE = timedelta(seconds=5)
"""How long a worker that sleeps through a short back-off itself is given before its node goes to others."""

MOST_LOSSES = 3
BATCH = 200


def note_lost_workers() -> list[str]:
    """Declare workers lost whose lease has run out; return their names."""
    limit = timezone.now() - timedelta(seconds=settings.ORCHESTRA_LEASE_SECONDS)
    silent = list(Worker.objects.filter(lost_at=None, seen_at__lt=limit).values_list("name", flat=True))
    Worker.objects.filter(name__in=silent, seen_at__lt=limit).update(lost_at=timezone.now())
    return silent


def forget_workers(older_than: timedelta = timedelta(hours=1)) -> None:
    """Remove the rows of workers that were lost or stopped long ago."""
    Worker.objects.filter(lost_at__lt=timezone.now() - older_than).delete()


def take_from_lost_workers() -> int:
    """Queue again what lost workers were running; a node that lost its third worker fails as poison."""
    lost = Worker.objects.filter(lost_at__isnull=False).values("name")
    known = Worker.objects.values("name")
    orphans = NodeRun.objects.filter(status="running").filter(Q(worker__in=lost) | ~Q(worker__in=known))
    pairs = list(orphans.values_list("run_id", "path", "fence")[:BATCH])
    return _change([(str(run), path, fence) for run, path, fence in pairs], _take_back)


def release_due() -> int:
    """Queue node runs again whose back-off has passed and that no worker came back for."""
    due = NodeRun.objects.filter(status="waiting", waiting_for=RETRY, due_at__lt=timezone.now() - GRACE)
    pairs = list(due.values_list("run_id", "path", "fence")[:BATCH])
    return _change([(str(run), path, fence) for run, path, fence in pairs], _release)


def resend_unclaimed(is_backlogged: Callable[[str], bool]) -> int:
    """Send a hint again for runs with something queued that nobody took for too long.

    `is_backlogged(queue)` tells whether messages still wait there: then nothing was lost, it is only slow.
    """
    limit = timezone.now() - timedelta(seconds=settings.ORCHESTRA_RESCUE_SECONDS)
    stale = _unclaimed_runs(limit, is_backlogged)
    sent = 0
    for run, priority in stale:
        Run.objects.filter(pk=run).update(dispatched_at=timezone.now())
        sent += send_advance(str(run), priority)
    return sent


def _unclaimed_runs(limit: datetime, is_backlogged: Callable[[str], bool]) -> list[tuple[UUID, int]]:
    not_sent = Q(dispatched_at=None) | Q(dispatched_at__lt=limit)
    found: dict[UUID, int] = {}
    if not is_backlogged("control"):
        waiting = Run.objects.filter(not_sent, status=RunStatus.QUEUED, created_at__lt=limit)
        found.update(waiting.values_list("id", "priority")[:BATCH])
    queued = NodeRun.objects.filter(status="queued", queued_at__lt=limit, run__status="running")
    fresh = queued.filter(Q(run__dispatched_at=None) | Q(run__dispatched_at__lt=limit))
    for queue in fresh.values_list("queue", flat=True).order_by().distinct():
        if not is_backlogged(queue):
            runs = fresh.filter(queue=queue).order_by().values_list("run_id", "run__priority").distinct()
            found.update(runs[:BATCH])
    return list(found.items())


def _take_back(state: RunState, row: NodeRow) -> None:
    row.losses += 1
    if row.losses >= MOST_LOSSES:
        row.has_result = True
        error = WorkerLost(f"The worker was lost {row.losses} times while it ran this node.").as_json()
        state.fail(row, Failed(error))
    else:
        state.hand_back(row, "worker_lost")
        row.attempt += 1


def _release(state: RunState, row: NodeRow) -> None:
    row.waiting_for, row.due_at = "", None
    state.make_ready([row])


def _change(found: Iterable[tuple[str, str, int]], change: Callable[[RunState, NodeRow], None]) -> int:
    """Apply a change to node runs whose fence is still the one seen, under their runs' locks; then advance the runs."""
    wanted = {(run, path): fence for run, path, fence in found}
    if not wanted:
        return 0
    log = EventLog(now=timezone.now())
    facts = FactBook().of(run for run, _path in wanted)
    with transaction.atomic():
        locked = rows.lock_runs(facts)
        states = {run: RunState(row, facts[run], log, "") for run, row in locked.items()}
        for row in rows.nodes_at(sorted(wanted)):
            state = states[row.run_id]
            if row.fence == wanted[row.run_id, row.path] and row.status in (
                NodeStatus.RUNNING,
                NodeStatus.WAITING,
            ):
                state.nodes[row.path] = row
                change(state, row)
        rows.save_nodes([row for state in states.values() for row in state.changed.values()])
        for state in states.values():
            finish_run(state)
        rows.save_runs([state.row for state in states.values()])
        log.flush()
    live.broadcast(log.frames)
    for state in states.values():
        if state.row.finished_at is None:
            send_advance(state.row.id, state.row.priority)
    return len(wanted)
