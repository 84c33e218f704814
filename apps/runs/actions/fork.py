"""A new run beside an old one: with other input, another version, or from some nodes on; what stays right is reused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs import live, rows
from apps.runs.actions.items import scope_rows
from apps.runs.actions.places import has_to_wait, lock_places, settle_places
from apps.runs.actions.start import write_run
from apps.runs.dispatch import advance_after_commit
from apps.runs.events import EventLog
from apps.runs.models import NodeRun, Origin, Run
from apps.runs.rows import NodeRow
from apps.workflows.models import WorkflowVersion
from orchestra.engine.codec import plan_from_json
from orchestra.engine.inputs import complete_input
from orchestra.engine.plan import Plan
from orchestra.engine.replay import replay
from orchestra.engine.reuse import reusable
from orchestra.engine.status import NodeStatus
from orchestra.errors import Conflict, InvalidInput, Problem

TAKEN_OVER = (
    "path", "scope", "owner", "item_index", "node", "kind", "queue", "status", "unsettled", "live", "is_decided",
    "items_total", "cursor", "is_handled", "item", "input", "output", "ports", "error", "model",
)  # fmt: skip
"""What a reused node run keeps; its attempts and what it cost belong to the run that made them."""


def fork_run(
    *,
    run: Run,
    by: User,
    again: Sequence[str] = (),
    input: Mapping[str, Any] | None = None,
    version: WorkflowVersion | None = None,
    priority: int | None = None,
    tags: Sequence[str] | None = None,
    origin: str = Origin.API,
) -> Run:
    """Start a run that takes over from `run` every result that is still right; return it queued and durable.

    A result is taken over when its node succeeded (or was skipped), means the same in the version, reads the same
    input, does not come after a node in `again` (paths), and when all nodes before it are taken over too. What is not
    given is as in the old run. Raises NotPermitted, Conflict (archived), InvalidInput.
    """
    require(by, run.team_id, Role.OPERATOR)
    if run.workflow.archived_at is not None:
        raise Conflict("This workflow is archived; restore it before starting runs.")
    version = version or run.version
    plan = plan_from_json(version.plan)
    given = complete_input(plan.inputs, run.input if input is None else input)
    with transaction.atomic():
        places = lock_places(run.workflow_id)
        rows.lock_runs([str(run.pk)])
        kept = _kept(run, plan, given, again)
        fork = Run(
            team_id=run.team_id,
            workflow=run.workflow,
            version=version,
            number=0,
            priority=run.priority if priority is None else priority,
            origin=origin,
            tags=list(run.tags if tags is None else tags),
            input=given,
            forked_from=run,
            is_held=has_to_wait(places),
            started_by=by,
        )
        log = EventLog(now=timezone.now())
        opened = [*_own_rows(fork, plan, kept, log.now), *_inner_rows(fork, run, kept)]
        reused = sum(row.is_reused for row in opened)
        write_run(fork, plan, opened, log, forked_from=str(run.pk), reused=reused)
        if fork.is_held:
            transaction.on_commit(partial(settle_places, fork.workflow_id))
        else:
            advance_after_commit(fork)
        transaction.on_commit(lambda: live.broadcast(log.frames))
    return fork


def _kept(run: Run, plan: Plan, given: Mapping[str, Any], again: Sequence[str]) -> dict[str, NodeRun]:
    """Return the node runs of the run's own graph whose results are still right in the plan, by node.

    Of a run whose nodes were undone there are none.
    """
    names = _names_of(run, again)
    if run.ends_as:
        return {}
    found = run.node_runs.filter(scope="", status__in=[NodeStatus.SUCCEEDED, NodeStatus.SKIPPED])
    ended = {row.node: row for row in found}
    old = plan_from_json(run.version.plan)
    kept = reusable(old, plan, old_input=run.input, new_input=given, ended=ended.keys(), again=names)
    return {name: ended[name] for name in kept}


def _names_of(run: Run, again: Sequence[str]) -> set[str]:
    """Return the nodes of the run's own graph that paths belong to. Raises InvalidInput for one that is not there."""
    known = set(run.node_runs.filter(path__in=again).values_list("path", flat=True))
    problems = [
        Problem(f"from[{index}]", "unknown_node", f"This run has no node run {path[:80]!r}.")
        for index, path in enumerate(again)
        if path not in known
    ]
    if problems:
        raise InvalidInput(problems=problems)
    return {path.partition(".")[0].partition("[")[0] for path in again}


def _own_rows(fork: Run, plan: Plan, kept: Mapping[str, NodeRun], now: datetime) -> list[NodeRow]:
    """Return the rows of the run's own graph, as they stand when what is kept has settled."""
    state = replay(plan, {name: row.ports for name, row in kept.items()})
    opened = scope_rows(plan, str(fork.pk), "")
    for row in opened:
        count = state.counts.get(row.node)
        if count is not None:
            row.unsettled, row.live, row.is_decided = count.unsettled, count.live, count.is_decided
        if row.node in kept:
            _take_over(row, kept[row.node])
        elif row.node in state.skipped:
            row.status = NodeStatus.SKIPPED
        elif row.node in state.ready:
            row.status, row.queued_at = NodeStatus.QUEUED, now
        row.finished_at = now if row.status in (NodeStatus.SUCCEEDED, NodeStatus.SKIPPED) else None
    return opened


def _inner_rows(fork: Run, run: Run, kept: Collection[str]) -> list[NodeRow]:
    """Return the rows inside the maps that are kept."""
    inner = run.node_runs.exclude(scope="").order_by("id").iterator()
    found = []
    for old in inner:
        if old.path.partition("[")[0] in kept:
            row = NodeRow(
                id=0, run_id=str(fork.pk), path=old.path, scope=old.scope, owner=old.owner,
                item_index=old.item_index, node=old.node, kind=old.kind, queue=old.queue, status=old.status,
                finished_at=fork.created_at,
            )  # fmt: skip
            _take_over(row, old)
            found.append(row)
    return found


def _take_over(row: NodeRow, old: NodeRun) -> None:
    for name in TAKEN_OVER:
        setattr(row, name, getattr(old, name))
    row.is_reused = old.status == NodeStatus.SUCCEEDED
