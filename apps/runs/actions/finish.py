"""The end of a run: all of its own nodes have settled, so it succeeded, or failed with the first unhandled failure."""

from __future__ import annotations

from typing import Any

from apps.runs import rows
from apps.runs.actions.state import RunState
from orchestra.engine.expressions import render
from orchestra.engine.plan import path_of
from orchestra.engine.scope import NodeResult, reading_scope
from orchestra.engine.status import EventType, RunStatus
from orchestra.errors import ExpressionError


def finish_run(state: RunState) -> None:
    """End the run if nothing of it is left to settle. The node rows of this transaction must have been written."""
    row = state.row
    if row.unsettled > 0 or row.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return
    failures = rows.scope_failures([(row.id, "")]).get((row.id, ""), [])
    if failures:
        row.status, row.error = RunStatus.FAILED, failures[0]
    else:
        try:
            row.status, row.output = RunStatus.SUCCEEDED, _output(state)
        except ExpressionError as error:
            row.status, row.error = RunStatus.FAILED, {**error.as_json(), "node": None}
    row.finished_at = state.log.now
    data: dict[str, Any] = {"status": row.status, "done": row.nodes_done, "total": row.nodes_total}
    if row.error is not None:
        data["error"] = row.error
    state.event(EventType(f"run.{row.status}"), **data)


def _output(state: RunState) -> Any:
    plan = state.facts.plan
    if plan.output is None:
        return None
    paths = {read: path_of("", read.node) for read in plan.output_reads}
    found = rows.results_at((state.row.id, path) for path in paths.values())
    results = {
        read: NodeResult(status=status, output=output, error=error)
        for read, path in paths.items()
        for status, output, error, _item in [found[state.row.id, path]]
    }
    given = state.facts.input
    if given is None:
        given = rows.input_of(state.row.id)
    run = {"id": state.row.id, "number": state.facts.number, "started_at": state.facts.created_at}
    scope = reading_scope(plan.output_reads, results, inputs=given, variables=plan.variables, run=run, env={})
    return render(plan.output, scope)
