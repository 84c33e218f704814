"""The end of a run: all of its own nodes have settled, so it succeeded, or failed with the first unhandled failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.runs import rows
from apps.runs.actions.state import RunState
from apps.runs.actions.undo import Ending, begin_undo, ending_of, undo_next
from apps.runs.actions.waits import RETRY
from orchestra.engine.context import LIMIT
from orchestra.engine.expressions import render
from orchestra.engine.nodes import asking_kinds
from orchestra.engine.nodes.handover import WAITING_FOR as AGENT
from orchestra.engine.plan import path_of
from orchestra.engine.scope import NodeResult, reading_scope
from orchestra.engine.status import EventType, NodeStatus, RunStatus
from orchestra.errors import ExpressionError


def finish_run(state: RunState) -> None:
    """End the run if nothing of it is left to settle; else say whether it runs or only waits.

    The node rows of this transaction must have been written.
    """
    row = state.row
    if row.status not in (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED):
        return
    if row.unsettled > 0:
        if row.status != RunStatus.PAUSED:
            _note_rest(state)
        return
    ending = _ending(state)
    if ending is None:
        return
    row.status, row.error = ending[0], None if ending[1] is None else dict(ending[1])
    row.finished_at = state.log.now
    data: dict[str, Any] = {"status": row.status, "done": row.nodes_done, "total": row.nodes_total}
    if row.error is not None:
        data["error"] = row.error
    state.event(EventType(f"run.{row.status}"), **data)


def _ending(state: RunState) -> Ending | None:
    """Return how the run ends; None when something has to be undone first."""
    row, plan = state.row, state.facts.plan
    noted = ending_of(row) if plan.has_undo else None
    if noted is not None:
        return None if undo_next(row, plan, log=state.log, label=state.label) else noted
    failures = _failures(state)
    ending: Ending = (RunStatus.FAILED, failures[0]) if failures else (RunStatus.SUCCEEDED, None)
    if not failures:
        try:
            row.output = _output(state)
        except ExpressionError as error:
            ending = (RunStatus.FAILED, {**error.as_json(), "node": None})
    is_bad = ending[0] == RunStatus.FAILED
    return None if is_bad and begin_undo(row, plan, ending, log=state.log, label=state.label) else ending


def _failures(state: RunState) -> Sequence[Mapping[str, Any]]:
    """Return the unhandled errors of the run's own nodes, without asking when all of them are at hand and well."""
    own = [node for node in state.nodes.values() if not node.scope]
    if len(own) == len(state.facts.plan.nodes) and all(n.status != NodeStatus.FAILED for n in own):
        return ()
    return rows.scope_failures([(state.row.id, "")]).get((state.row.id, ""), ())


def _note_rest(state: RunState) -> None:
    """Say `waiting` of a run in which nothing goes on because the world has to act first, `running` of any other."""
    row = state.row
    plan = state.facts.plan
    if plan.kinds.isdisjoint(asking_kinds()) and not plan.has_effects:
        return
    status = RunStatus.RUNNING if _is_active(state) else RunStatus.WAITING
    if status != row.status:
        row.status = status
        is_waiting = status == RunStatus.WAITING
        state.event(EventType.RUN_WAITING if is_waiting else EventType.RUN_RESUMED, status=status)


def _is_active(state: RunState) -> bool:
    """Say whether something of the run is queued, running or between two attempts."""
    at_hand = state.nodes.values()
    is_active = any(
        node.status in (NodeStatus.QUEUED, NodeStatus.RUNNING)
        or (node.status == NodeStatus.WAITING and node.waiting_for.startswith((RETRY, LIMIT, AGENT)))
        for node in at_hand
    )
    return is_active or rows.has_active(state.row.id, RETRY)


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
