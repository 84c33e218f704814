"""What keeps runs true when something breaks: lost workers, due retries, messages that never arrived.

Each function is one short pass that is safe to run twice and by two processes at once; `workers.upkeep` calls them
every second from whichever process leads.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.runs.actions.approvals import expire_approval
from apps.runs.actions.outside import change_nodes
from apps.runs.actions.state import RunState
from apps.runs.actions.waits import RETRY
from apps.runs.dispatch import send_advance
from apps.runs.figures import MOST_LOSSES
from apps.runs.models import NodeRun, Run, Worker
from apps.runs.rows import NodeRow
from orchestra.engine.context import LIMIT
from orchestra.engine.nodes import approval, kind, waiting_kinds
from orchestra.engine.outcome import Failed
from orchestra.engine.status import FINAL_RUN, NodeStatus, RunStatus
from orchestra.errors import WorkerLost

GRACE = timedelta(seconds=5)
"""How long a worker that sleeps through a short back-off itself is given before its node goes to others."""

BATCH = 200
RESENT_AT_ONCE = 500
MOST_BATCHES = 20
"""Of waits that fall due together, in one round."""


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
    found = [(str(run), path, fence) for run, path, fence in pairs]
    return change_nodes(found, _take_back, NodeStatus.RUNNING)


def release_due() -> int:
    """Queue node runs again whose back-off has passed and that no worker came back for."""
    due = NodeRun.objects.filter(status="waiting", waiting_for=RETRY, due_at__lt=timezone.now() - GRACE)
    due = due.exclude(run__status=RunStatus.PAUSED)
    pairs = list(due.values_list("run_id", "path", "fence")[:BATCH])
    found = [(str(run), path, fence) for run, path, fence in pairs]
    return change_nodes(found, _release, NodeStatus.WAITING)


def release_postponed() -> int:
    """Queue node runs again that a limit held back and whose time has come to ask again."""
    due = NodeRun.objects.filter(status="waiting", waiting_for__startswith=LIMIT, due_at__lte=timezone.now())
    due = due.filter(run__status__in=[RunStatus.RUNNING, RunStatus.WAITING]).order_by("due_at")
    pairs = list(due.values_list("run_id", "path", "fence")[: BATCH * MOST_BATCHES])
    found = [(str(run), path, fence) for run, path, fence in pairs]
    return change_nodes(found, _release, NodeStatus.WAITING)


def end_due_waits() -> int:
    """End node runs that wait for the world and whose time has come."""
    due = NodeRun.objects.filter(status="waiting", due_at__lte=timezone.now(), kind__in=waiting_kinds())
    due = due.exclude(waiting_for=RETRY).exclude(waiting_for__startswith=LIMIT)
    due = due.filter(run__status__in=[RunStatus.RUNNING, RunStatus.WAITING]).order_by("due_at")
    ended = 0
    for _ in range(MOST_BATCHES):
        pairs = list(due.values_list("run_id", "path", "fence")[:BATCH])
        found = [(str(run), path, fence) for run, path, fence in pairs]
        ended += change_nodes(found, _fall_due, NodeStatus.WAITING)
        if len(found) < BATCH:
            break
    return ended


def tell_parents() -> int:
    """Send a hint for runs whose child runs ended a while ago without their noticing."""
    ended = Run.objects.filter(is_awaited=True, status__in=FINAL_RUN, finished_at__lt=timezone.now() - GRACE)
    parents = ended.filter(parent__status__in=[RunStatus.RUNNING, RunStatus.WAITING]).order_by()
    found = list(parents.values_list("parent_id", "parent__priority").distinct()[:BATCH])
    return sum(send_advance(str(run), priority) for run, priority in found)


def resend_unclaimed(is_late: Callable[[str], bool]) -> int:
    """Send a hint again for runs with something queued that nobody took for too long.

    `is_late(queue)` tells whether messages of that age may still wait there: then nothing was lost, it is only slow.
    """
    limit = timezone.now() - timedelta(seconds=settings.ORCHESTRA_RESCUE_SECONDS)
    stale = _unclaimed_runs(limit, is_late)
    sent = 0
    for run, priority in stale:
        Run.objects.filter(pk=run).update(dispatched_at=timezone.now())
        sent += send_advance(str(run), priority)
    return sent


def resend_all(sent_before: datetime) -> int:
    """Send a hint again for every run with something queued that was last sent before a moment: the broker forgot.

    At most `RESENT_AT_ONCE` of them; return how many.
    """
    not_sent = Q(dispatched_at=None) | Q(dispatched_at__lt=sent_before)
    waiting = Run.objects.filter(not_sent, status=RunStatus.QUEUED, is_held=False)
    has_queued = Exists(NodeRun.objects.filter(run=OuterRef("pk"), status=NodeStatus.QUEUED))
    running = Run.objects.filter(not_sent, has_queued, status=RunStatus.RUNNING)
    found = list(waiting.order_by("pk").values_list("id", "priority")[:RESENT_AT_ONCE])
    found += running.order_by("pk").values_list("id", "priority")[: RESENT_AT_ONCE - len(found)]
    Run.objects.filter(pk__in=[run for run, _priority in found]).update(dispatched_at=timezone.now())
    for run, priority in found:
        send_advance(str(run), priority)
    return len(found)


def _unclaimed_runs(limit: datetime, is_late: Callable[[str], bool]) -> list[tuple[UUID, int]]:
    not_sent = Q(dispatched_at=None) | Q(dispatched_at__lt=limit)
    found: dict[UUID, int] = {}
    if not is_late("control"):
        waiting = Run.objects.filter(not_sent, status=RunStatus.QUEUED, is_held=False, created_at__lt=limit)
        found.update(waiting.values_list("id", "priority")[:BATCH])
    queued = NodeRun.objects.filter(status="queued", queued_at__lt=limit, run__status="running")
    fresh = queued.filter(Q(run__dispatched_at=None) | Q(run__dispatched_at__lt=limit))
    for queue in fresh.values_list("queue", flat=True).order_by().distinct():
        if not is_late(queue):
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
        row.attempt += row.items_total is None


def _release(state: RunState, row: NodeRow) -> None:
    row.waiting_for, row.due_at = "", None
    state.make_ready([row])


def _fall_due(state: RunState, row: NodeRow) -> None:
    if row.kind == approval.KIND.name:
        expire_approval(state, row)
        return
    settings_of_node = state.facts.plan.at(row.scope).nodes[row.node].settings
    state.wake(row, kind(row.kind).on_due(settings_of_node))
