"""Compensation (a saga): before a run ends badly, what its nodes did is undone, the last first, one after the other.

A node with `compensate` that succeeded has its body run in the scope `<path>$undo[0]`. A compensation that fails
is shown and keeps the others from nothing; the run then ends as it would have ended, with its own error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.runs import rows
from apps.runs.actions.items import scope_rows
from apps.runs.dispatch import send_advance
from apps.runs.events import EventLog, Label
from apps.runs.models import NodeRun, Run
from apps.runs.rows import RunRow
from orchestra.engine.plan import ITEM, UNDO, Plan, undo_scope
from orchestra.engine.status import EventType, NodeStatus, RunStatus

BATCH = 100

Ending = tuple[RunStatus, Mapping[str, Any] | None]
"""How a run ends, and its error."""


def ending_of(row: RunRow) -> Ending | None:
    """Return how a run ends once all is undone; None when nothing is being undone."""
    status, error = Run.objects.values_list("ends_as", "error").get(pk=UUID(row.id))
    return (RunStatus(status), error) if status else None


def begin_undo(row: RunRow, plan: Plan, ending: Ending, *, log: EventLog, label: Label) -> bool:
    """Undo what a run did before it ends; False when there is nothing to undo. Under the run's lock."""
    status, error = ending
    if not plan.has_undo or not undo_next(row, plan, log=log, label=label):
        return False
    Run.objects.filter(pk=UUID(row.id)).update(ends_as=status, error=error)
    row.status = RunStatus.PAUSED if row.status == RunStatus.PAUSED else RunStatus.RUNNING
    row.finished_at = None
    data: dict[str, Any] = {"status": row.status, "ends_as": status, "total": row.nodes_total}
    log.add(row, EventType.RUN_UNDOING, label=label, **data)
    return True


def undo_next(row: RunRow, plan: Plan, *, log: EventLog, label: Label) -> bool:
    """Open the compensation of the node that succeeded last of those not yet undone; False when all are."""
    for node in _not_undone(UUID(row.id), plan):
        body = plan.at(node.scope).bodies.get(f"{node.node}{UNDO}")
        if body is not None:
            _open(row, body, node.path, log=log, label=label)
            return True
    return False


def _not_undone(run: UUID, plan: Plan) -> Iterator[NodeRun]:
    """Yield what succeeded before the node that was undone last, the latest first."""
    succeeded = NodeRun.objects.filter(run_id=run, status=NodeStatus.SUCCEEDED, node__in=plan.undone_nodes)
    succeeded = succeeded.only("path", "scope", "node", "finished_at").order_by("-finished_at", "-id")
    undone = NodeRun.objects.filter(run_id=run, node=ITEM, path__endswith=f"{UNDO}[0]").order_by("-id")
    owner = undone.values_list("owner", flat=True).first()
    last = succeeded.filter(path=owner.removesuffix(UNDO)).first() if owner else None
    while True:
        is_before = (
            Q(finished_at__lt=last.finished_at) | Q(finished_at=last.finished_at, pk__lt=last.pk)
            if last
            else Q()
        )
        found = list(succeeded.filter(is_before)[:BATCH])
        yield from found
        if len(found) < BATCH:
            return
        last = found[-1]


def _open(row: RunRow, body: Plan, path: str, *, log: EventLog, label: Label) -> None:
    opened = scope_rows(body, row.id, undo_scope(path), owner=f"{path}{UNDO}")
    for one in opened:
        if one.node in body.starts:
            one.status, one.queued_at = NodeStatus.QUEUED, log.now
            log.add(row, EventType.NODE_QUEUED, node=one.path, label=label, queue=one.queue, reason="undo")
    rows.insert_nodes(opened)
    row.nodes_total += len(opened) - 1
    row.unsettled = 1
    transaction.on_commit(partial(send_advance, row.id, row.priority))
