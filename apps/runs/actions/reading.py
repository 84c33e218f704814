"""What claimed node runs read: results of earlier nodes, items, inputs; few statements for all claims of a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.runs import rows
from apps.runs.actions.operations import Claimed
from apps.runs.actions.state import RunState
from apps.runs.rows import NodeRow
from orchestra.engine.outcome import ItemResult
from orchestra.engine.plan import ITEM, Plan, PlanNode, outer_scope, path_of
from orchestra.engine.scope import NodeResult
from orchestra.engine.status import NodeStatus

Key = tuple[str, str]


def read_claims(claimed: Sequence[tuple[RunState, NodeRow]]) -> dict[Key, Claimed]:
    """Return each claim with all that its node may read, by (run id, path)."""
    if not claimed:
        return {}
    wanted: set[Key] = set()
    for state, row in claimed:
        node = state.facts.plan.at(row.scope).nodes[row.node]
        wanted.update((state.row.id, path) for path in _read_paths(row, node).values())
        if row.scope:
            wanted.add((state.row.id, row.scope))
    results = rows.results_at(sorted(wanted))
    failures = rows.scope_failures(sorted({(s.row.id, row.scope) for s, row in claimed if row.node == ITEM}))
    inputs: dict[str, Any] = {}
    return {(s.row.id, row.path): _claimed(s, row, results, failures, inputs) for s, row in claimed}


def _read_paths(row: NodeRow, node: PlanNode) -> Mapping[Any, str]:
    return {read: path_of(outer_scope(row.scope, read.level), read.node) for read in node.reads}


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
    read = {}
    for name, path in _read_paths(row, node).items():
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
        fence=row.fence,
        input=state.facts.input if state.facts.input is not None else inputs[run],
        results=read,
        items=_items(state, row),
        failures=failures.get((run, row.scope), ()) if row.node == ITEM else (),
        item=results[run, row.scope][3] if row.scope else None,
        index=row.item_index,
    )


def _items(state: RunState, row: NodeRow) -> list[ItemResult] | None:
    """Return how the items of a map ended, or None when it has not been opened."""
    if row.items_total is None:
        return None
    return [
        ItemResult(index, output if status == NodeStatus.SUCCEEDED else None, _error(status, error))
        for index, status, output, error in rows.item_results(state.row.id, row.path)
    ]


def _error(status: str, error: Any) -> dict[str, Any] | None:
    if status == NodeStatus.SUCCEEDED:
        return None
    return error or {"code": "not_run", "message": "An earlier item failed, so this one was not started."}
