"""Ending a run before its nodes have ended: what people's cancelling and the time limit share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import F

from apps.runs.actions.assigning import withdraw
from apps.runs.actions.undo import begin_undo, ending_of
from apps.runs.actions.withdrawing import withdraw_approvals
from apps.runs.assignments import Assignment
from apps.runs.events import EventLog, Label
from apps.runs.models import Approval, NodeRun, Run
from apps.runs.rows import RunRow
from orchestra.engine.codec import UnknownPlanFormat, plan_from_json
from orchestra.engine.plan import UNDO, Plan
from orchestra.engine.status import FINAL_NODE, EventType, NodeStatus, RunStatus

NAMED = 1000
"""Node runs whose cancelling is told by an event each; of more, the run's own event has to do."""


def stop_run(
    row: RunRow,
    *,
    label: Label,
    log: EventLog,
    status: RunStatus,
    error: Mapping[str, Any] | None = None,
    **data: Any,
) -> None:
    """End an open run with this status and cancel what of it has not ended; late results are refused by their fences.

    Where nodes have compensations they run first, unless they were what is stopped. The caller holds the run's lock
    and saves the row and the log in the same transaction; after the commit it tells the workers to stop what they run.
    """
    open_nodes = NodeRun.objects.filter(run_id=UUID(row.id)).exclude(status__in=FINAL_NODE)
    busy = open_nodes.filter(status__in=["running", "waiting"]).values_list("path", flat=True)
    for path in busy[:NAMED]:
        log.add(row, EventType.NODE_CANCELLED, node=path, label=label)
    open_nodes.update(
        status=NodeStatus.CANCELLED, fence=F("fence") + 1, finished_at=log.now, waiting_for="", worker=""
    )
    withdraw_approvals(row, Approval.objects.open(), label=label, log=log)
    withdraw(Assignment.objects.filter(run_id=UUID(row.id)), log.now)
    Run.objects.filter(parent_id=UUID(row.id)).update(is_awaited=False)
    row.unsettled, row.epoch = 0, row.epoch + 1
    plan = _plan_with_undo(row.id)
    if row.status == RunStatus.PAUSED:
        row.status = RunStatus.RUNNING
    is_undoing = plan is not None and ending_of(row) is not None
    if plan and not is_undoing and begin_undo(row, plan, (status, error), log=log, label=label):
        return
    row.status, row.finished_at = status, log.now
    if error is not None:
        row.error = dict(error)
        data["error"] = row.error
    counts: dict[str, Any] = {"done": row.nodes_done, "total": row.nodes_total}
    log.add(row, EventType(f"run.{status}"), label=label, status=status, **counts, **data)


def _plan_with_undo(run: str) -> Plan | None:
    """Return the plan of a run that may have something to undo; one that cannot be read keeps no run from ending."""
    raw = Run.objects.values_list("version__plan", flat=True).get(pk=UUID(run))
    try:
        return plan_from_json(raw) if _has_undo(raw) else None
    except UnknownPlanFormat:
        return None


def _has_undo(raw: Mapping[str, Any]) -> bool:
    bodies: Mapping[str, Any] = raw.get("bodies") or {}
    return any(name.endswith(UNDO) or _has_undo(body) for name, body in bodies.items())
