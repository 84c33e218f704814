"""Trying again what failed: what succeeded is kept, what failed starts anew with everything after it."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import Count, Q

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs.actions.changing import Change, changing
from apps.runs.actions.control import cancel_dropped
from apps.runs.actions.limits import deadline_of
from apps.runs.actions.reset import Reset
from apps.runs.dispatch import advance_after_commit
from apps.runs.models import NodeRun, Run
from orchestra.engine.codec import plan_from_json
from orchestra.engine.plan import ITEM
from orchestra.engine.status import FINAL_NODE, EventType, NodeStatus, RunStatus
from orchestra.errors import Conflict

EVENTS_AT_MOST = 500
NAMED_AT_MOST = 50
RETRY_BY_HAND = "retry"
"""`reason` of the events that a retry writes: whoever shows the run reads its state anew."""


def retry_run(*, run: Run, by: User) -> Run:
    """Go on with a run that failed or was cancelled: what succeeded is kept, all else starts anew.

    Of maps only the items are done again that were lost. Attempts stay on record. Raises Conflict when the run has not
    failed, or when no node did (then only its output failed: a fork with a corrected version helps).
    """
    require(by, run.team_id, Role.OPERATOR)
    with changing(run) as change:
        if change.row.status not in (RunStatus.FAILED, RunStatus.CANCELLED):
            raise Conflict(
                f"Only a run that failed or was cancelled can be retried; this one is {change.row.status}."
            )
        _check_not_undone(run)
        _check_parent(run)
        reset = Reset(run, plan_from_json(run.version.plan), change.log.now)
        reset.all_lost()
        if not reset.roots:
            raise Conflict(
                "No node of this run failed, only its output; correct the workflow and fork the run."
            )
        _go_on(change, run, reset, by)
    return run


def retry_node(*, run: Run, node: NodeRun, by: User) -> Run:
    """Start one failed node of a run anew, with everything after it; also while the run goes on.

    Other failures stay as they are. Raises Conflict when the node has not failed, or when the run was cancelled
    or stopped by a limit: then all of it has to go on.
    """
    require(by, run.team_id, Role.OPERATOR)
    with changing(run) as change:
        if run.node_runs.filter(scope="", status=NodeStatus.CANCELLED).exists():
            raise Conflict("This run was stopped before its nodes had ended: retry the whole run.")
        _check_not_undone(run)
        _check_parent(run)
        found = run.node_runs.get(pk=node.pk)
        if found.status != NodeStatus.FAILED:
            raise Conflict(f"Only a node that failed can be retried; this one is {found.status}.")
        reset = Reset(run, plan_from_json(run.version.plan), change.log.now)
        reset.one(found)
        _go_on(change, run, reset, by)
    return run


def _check_not_undone(run: Run) -> None:
    if Run.objects.filter(pk=run.pk).exclude(ends_as="").exists():
        raise Conflict("What this run did was undone, so there is nothing to go on from: start it again.")


def _check_parent(run: Run) -> None:
    if run.is_part and run.parent is not None and run.parent.is_final:
        raise Conflict(f"This run is a part of {run.parent}, which has ended: retry that one.")


def _go_on(change: Change, run: Run, reset: Reset, by: User) -> None:
    """Write what starts anew and put the run's own figures right; messages of before are refused by their epoch."""
    row = change.row
    was_over = RunStatus(row.status).is_final
    reset.write()
    counted = run.node_runs.aggregate(
        total=Count("pk", filter=~Q(node=ITEM)),
        done=Count("pk", filter=~Q(node=ITEM) & Q(status__in=FINAL_NODE)),
        unsettled=Count("pk", filter=Q(scope="") & ~Q(status__in=FINAL_NODE)),
    )
    row.nodes_total, row.nodes_done, row.unsettled = counted["total"], counted["done"], counted["unsettled"]
    row.epoch += 1
    row.finished_at = row.dispatched_at = None
    if row.status != RunStatus.PAUSED:
        row.status = RunStatus.RUNNING if row.started_at else RunStatus.QUEUED
    deadline = deadline_of(reset.plan.limits, change.log.now) if was_over else run.deadline_at
    Run.objects.filter(pk=run.pk).update(output=None, error=None, deadline_at=deadline)
    named = reset.roots[:NAMED_AT_MOST]
    if was_over:
        change.run_event(EventType.RUN_RESUMED, reason=RETRY_BY_HAND, by=by.name, nodes=named)
    for queued in reset.queued[:EVENTS_AT_MOST]:
        change.event(EventType.NODE_QUEUED, queued.path, reason=RETRY_BY_HAND, by=by.name)
    transaction.on_commit(partial(cancel_dropped, reset.dropped, by=by.name))
    advance_after_commit(run)
