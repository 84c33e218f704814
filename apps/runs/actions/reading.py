"""What claimed node runs read: results of earlier nodes, items, inputs; few statements for all claims of a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.runs import rows
from apps.runs.actions.assigning import end_of
from apps.runs.actions.family import child_of
from apps.runs.actions.operations import Claimed
from apps.runs.actions.state import RunState
from apps.runs.rows import NodeRow
from orchestra.engine.nodes import agent, workflow
from orchestra.engine.outcome import ItemResult
from orchestra.engine.plan import ITEM, Plan, Read, outer_scope, owner_of, path_of
from orchestra.engine.scope import NodeResult
from orchestra.engine.status import NodeStatus

Key = tuple[str, str]


def read_claims(claimed: Sequence[tuple[RunState, NodeRow]]) -> dict[Key, Claimed]:
    """Return each claim with all that its node may read, by (run id, path)."""
    if not claimed:
        return {}
    wanted: set[Key] = set()
    for state, row in claimed:
        plan = state.facts.plan.at(row.scope)
        wanted.update((state.row.id, path) for path in _read_paths(row, plan).values())
        wanted.update((state.row.id, scope) for scope in _frames(state, row) if scope)
    results = rows.results_at(sorted(wanted))
    failures = rows.scope_failures(sorted({(s.row.id, row.scope) for s, row in claimed if row.node == ITEM}))
    inputs: dict[str, Any] = {}
    return {(s.row.id, row.path): _claimed(s, row, results, failures, inputs) for s, row in claimed}


def _read_paths(row: NodeRow, plan: Plan) -> Mapping[Read, str]:
    """Return where to find what a node reads, and what the rest of its segment reads from before it."""
    nodes = plan.segments[plan.nodes[row.node].segment].nodes
    ahead = nodes[nodes.index(row.node) :]
    reads = {read for name in ahead for read in plan.nodes[name].reads}
    return {
        read: path_of(outer_scope(row.scope, read.level), read.node)
        for read in reads
        if read.level or read.node not in ahead
    }


def _frames(state: RunState, row: NodeRow) -> tuple[str, str]:
    """Return the innermost scopes of a map and of a loop around a node; empty where there is none."""
    if not row.scope:
        return "", ""
    plan = state.facts.plan
    return plan.innermost(row.scope, "map"), plan.innermost(row.scope, "loop")


def _claimed(
    state: RunState,
    row: NodeRow,
    results: Mapping[Key, tuple[str, Any, Any, Any]],
    failures: Mapping[Key, list[dict[str, Any]]],
    inputs: dict[str, Any],
) -> Claimed:
    run = state.row.id
    plan: Plan = state.facts.plan.at(row.scope)
    node = plan.nodes[row.node]
    mapped, looped = _frames(state, row)
    read = {}
    for name, path in _read_paths(row, plan).items():
        if (run, path) in results:
            status, output, error, _item = results[run, path]
            read[name] = NodeResult(status=status, output=output, error=error)
    if state.facts.input is None and run not in inputs:
        inputs[run] = rows.input_of(run)
    return Claimed(
        facts=state.facts,
        path=row.path,
        node=node,
        plan=plan,
        queue=row.queue,
        epoch=state.row.epoch,
        attempt=row.attempt,
        tried_before=max((one["attempt"] for one in row.attempts if one.get("retried")), default=0),
        fence=row.fence,
        input=state.facts.input if state.facts.input is not None else inputs[run],
        results=read,
        items=_items(state, row),
        failures=failures.get((run, row.scope), ()) if row.node == ITEM else (),
        item=results[run, mapped][3] if mapped else None,
        index=owner_of(mapped)[1] if mapped else None,
        loop={"index": owner_of(looped)[1], "value": results[run, looped][3]} if looped else None,
        spent=float(state.row.cost),
    )


def _items(state: RunState, row: NodeRow) -> list[ItemResult] | None:
    """Return how the items of a map ended, of a loop the last one; None when it has not been opened."""
    if row.items_total is None:
        return None
    if row.kind == agent.KIND.name:
        return [ItemResult(0, end_of(state.row.id, row.path))]
    if row.kind == workflow.KIND.name:
        return [ItemResult(0, child_of(state.row.id, row.path))]
    first = row.items_total - 1 if row.kind == "loop" else 0
    return [
        ItemResult(index, output if status == NodeStatus.SUCCEEDED else None, _error(status, error))
        for index, status, output, error in rows.item_results(state.row.id, row.path, first)
    ]


def _error(status: str, error: Any) -> dict[str, Any] | None:
    if status == NodeStatus.SUCCEEDED:
        return None
    return error or {"code": "not_run", "message": "An earlier item failed, so this one was not started."}
