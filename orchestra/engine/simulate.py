"""Runs a plan in virtual time, with the engine's own logic and scripted outcomes, in one process and no database."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

from orchestra.engine.attempt import attempt
from orchestra.engine.carrier import Carrier, SimulationError
from orchestra.engine.context import Context
from orchestra.engine.effects import EFFECT, is_doubtful
from orchestra.engine.expressions import render
from orchestra.engine.nodes import kind
from orchestra.engine.outcome import Done, Expand, Failed, ItemResult, Iterate, Outcome, Skipped, Suspend
from orchestra.engine.plan import INLINE, ITEM, UNDO, Plan, PlanNode, Read, outer_scope, path_of, undo_scope
from orchestra.engine.progress import Arrival, initial_counts, settle
from orchestra.engine.scope import NodeResult, reading_scope, scope_for
from orchestra.engine.simulated_context import RUN, SimulatedContext
from orchestra.engine.simulated_rows import NodeEnd, Row, Scope, failures_in, is_unhandled, last_to_undo
from orchestra.engine.status import FINAL_NODE, NodeStatus, RunStatus
from orchestra.errors import ExpressionError, NodeFailure, TimeLimit

Behave = Callable[[str, PlanNode, Mapping[str, Any]], Outcome]
"""(path, node with evaluated settings, scope) → outcome of one attempt; may raise NodeFailure instead."""


@dataclass(frozen=True, slots=True)
class Wake:
    """What the world does about a waiting node `after` virtual seconds."""

    after: float
    outcome: Done | ItemResult
    """How the node ends; for a child run, how that ended."""


World = Callable[[str, Suspend], Wake | None]
"""(path, what the node waits for) → what happens; None: nothing, so that only time can end the wait."""

_NOTRUN = {"code": "not_run", "message": "An earlier item failed, so this one was not started."}


@dataclass(frozen=True, slots=True)
class Simulated:
    """How a run ended: `nodes` by path, `makespan` in virtual seconds."""

    status: RunStatus
    nodes: Mapping[str, NodeEnd]
    output: Any
    makespan: float
    error: Mapping[str, Any] | None = None


def simulate(
    plan: Plan,
    inputs: Mapping[str, Any],
    *,
    behave: Behave,
    duration: Callable[[str], float] = lambda path: 1.0,
    by_units: bool = True,
    random: Callable[[], float] = lambda: 1.0,
    world: World = lambda path, outcome: None,
) -> Simulated:
    """Run a plan to its end with as many workers as it wants.

    Inline kinds run for real and take no time; for all others `behave` says how an attempt ends and `duration` how
    long it takes (by path). `world` acts on nodes that wait; an absolute time has always come. With `by_units` a
    segment starts when its unit's canvas or gate brings it, as on workers; without, each node starts the moment it is
    ready: the ideal. `random` spreads retries. The plan's limit of duration counts in virtual seconds.
    Raises SimulationError.
    """
    run = _Run(plan, inputs, behave, duration, by_units, random, world)
    run.open_scope("", plan)
    while run.queue:
        at, _, action = heappop(run.queue)
        if run.is_over_time(at):
            run.stop()
        else:
            run.clock = at
            action()
        if not run.queue:
            run.undo()
    return run.ended()


@dataclass(frozen=True, slots=True)
class _Place:
    """A scope as its carrier sees it."""

    run: _Run
    scope: Scope

    def status_of(self, name: str) -> NodeStatus:
        return self.scope.rows[name].status

    def execute(self, name: str, then: Callable[[], None]) -> None:
        self.run.execute(self.scope.rows[name], then)

    def soon(self, action: Callable[[], None]) -> None:
        self.run.later(0.0, action)


class _Run:
    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        behave: Behave,
        duration: Callable[[str], float],
        by_units: bool,
        random: Callable[[], float],
        world: World,
    ) -> None:
        self.plan = plan
        self.inputs = inputs
        self.clock = 0.0
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self._behave = behave
        self._duration = duration
        self._by_units = by_units
        self._random = random
        self._world = world
        self._rows: dict[str, Row] = {}
        self._scopes: dict[str, Scope] = {}
        self._error: Mapping[str, Any] | None = None
        """Why the run was stopped."""
        self._events = 0

    def later(self, delay: float, action: Callable[[], None]) -> None:
        self._events += 1
        heappush(self.queue, (self.clock + delay, self._events, action))

    def open_scope(
        self, name: str, plan: Plan, item: Any = None, index: int | None = None, owner: Row | None = None
    ) -> None:
        scope = Scope(name, plan, item, index, owner, counts=dict(initial_counts(plan)))
        self._scopes[name] = scope
        for node in plan.nodes.values():
            row = Row(path_of(name, node.id), node, scope)
            scope.rows[node.id] = self._rows[row.path] = row
        scope.carrier = Carrier(plan, _Place(self, scope)) if self._by_units else None
        for start in plan.starts:
            scope.rows[start].status = NodeStatus.QUEUED
        if scope.carrier is not None:
            scope.carrier.open()
        else:
            for start in plan.starts:
                self.execute(scope.rows[start])

    def execute(self, row: Row, then: Callable[[], None] | None = None) -> None:
        """Start a ready node; `then` is called when it has settled in one go, without opening items."""
        row.then = then
        row.status = NodeStatus.RUNNING
        row.attempts += row.items is None
        row.started = self.clock if row.started is None else row.started
        outcome = self._attempt(row)
        takes_time = kind(row.node.kind).queue != INLINE and not isinstance(outcome, Skipped)
        self.later(self._duration(row.path) if takes_time else 0.0, lambda: self._apply(row, outcome))

    def _attempt(self, row: Row) -> Outcome:
        is_inline = kind(row.node.kind).queue == INLINE
        context = SimulatedContext(
            node=replace(row.node, timeout=None),
            path=row.path,
            attempt=row.attempts,
            scope=self._scope_of(row),
            items=None if row.items is None else self._item_results(row),
            failures=failures_in(row.scope) if row.node.id == ITEM else (),
        )

        async def act(_: Context, settings: Mapping[str, Any]) -> Outcome:
            try:
                return self._behave(row.path, replace(row.node, settings=settings), context.scope)
            except NodeFailure as error:
                if row.node.effect and is_doubtful(error):
                    return Suspend(EFFECT, data={"reason": error.message})
                raise

        has_edge = row.node.id in row.scope.plan.handles_errors
        return _result(
            attempt(context, has_error_edge=has_edge, random=self._random, run=None if is_inline else act)
        )

    def _apply(self, row: Row, outcome: Outcome) -> None:
        match outcome:
            case Expand():
                self._expand(row, outcome)
            case Failed() if outcome.retry_after is not None:
                row.error = outcome.error
                self.later(outcome.retry_after, lambda: self.execute(row, row.then))
            case Done():
                self._end(row, NodeStatus.SUCCEEDED, outcome.ports, outcome.output)
            case Failed():
                row.error, row.is_handled = outcome.error, outcome.is_handled
                self._end(row, NodeStatus.FAILED, outcome.ports, outcome.output)
            case Skipped():
                self._end(row, NodeStatus.SKIPPED, (), None)
            case Iterate():
                self._iterate(row, outcome)
            case Suspend():
                self._suspend(row, outcome)

    def _suspend(self, row: Row, outcome: Suspend) -> None:
        row.status = NodeStatus.WAITING
        row.then = row.then if row.node.effect else None
        due = 0.0 if outcome.due_at is not None else outcome.due_in
        wake = self._world(row.path, outcome)
        if wake is None or (due is not None and due <= wake.after):
            if due is None:
                raise SimulationError(f"{row.path} waits for {outcome.waiting_for}, and nothing ends that.")
            wake = Wake(due, kind(row.node.kind).on_due(row.node.settings))
        self.later(wake.after, lambda: self._wake(row, wake.outcome))

    def _wake(self, row: Row, outcome: Done | ItemResult) -> None:
        if isinstance(outcome, ItemResult):
            row.items, row.child = (None,), outcome
            self.execute(row)
        else:
            self._end(row, NodeStatus.SUCCEEDED, outcome.ports, outcome.output)

    def _end(self, row: Row, status: NodeStatus, ports: tuple[str, ...], output: Any) -> None:
        row.status, row.output, row.finished = status, output, self.clock
        if status == NodeStatus.SUCCEEDED:
            row.error = None
        scope = row.scope
        progress = settle(
            scope.plan, [Arrival(row.node.id, ports)], lambda names: {n: scope.counts[n] for n in names}
        )
        scope.counts.update(progress.counts)
        for name in progress.skipped:
            scope.rows[name].status, scope.rows[name].finished = NodeStatus.SKIPPED, self.clock
        for name in progress.ready:
            scope.rows[name].status = NodeStatus.QUEUED
            if scope.carrier is None:
                self.execute(scope.rows[name])
        if scope.carrier is not None:
            scope.carrier.arrived((row.node.id, *progress.skipped), (*progress.ready, *progress.skipped))
        if row.then is not None:
            row.then()
        if row.node.id == ITEM and scope.owner is not None:
            self._item_ended(scope.owner, row)

    def _expand(self, row: Row, outcome: Expand) -> None:
        row.status = NodeStatus.WAITING
        row.then = None
        row.items = outcome.items
        row.unsettled = len(outcome.items)
        for _ in range(min(len(outcome.items), outcome.concurrency or len(outcome.items))):
            self._open_next(row)

    def _iterate(self, row: Row, outcome: Iterate) -> None:
        row.status = NodeStatus.WAITING
        row.then = None
        row.items = [*(row.items or ()), outcome.value]
        row.unsettled += 1
        self._open_next(row)

    def _open_next(self, row: Row) -> None:
        index = row.opened
        row.opened += 1
        body = row.scope.plan.bodies[row.node.id]
        self.open_scope(f"{row.path}[{index}]", body, (row.items or ())[index], index, row)

    def _item_ended(self, owner: Row, item: Row) -> None:
        total = len(owner.items or ())
        owner.unsettled -= 1
        if item.status == NodeStatus.FAILED and owner.node.settings.get("on_item_error", "fail") == "fail":
            owner.unsettled -= total - owner.opened
            owner.opened = total
        elif owner.opened < total:
            self._open_next(owner)
        if owner.unsettled == 0:
            self.execute(owner)

    def _item_results(self, row: Row) -> list[ItemResult]:
        if row.child is not None:
            return [row.child]
        found = []
        for index in range(len(row.items or ())):
            item = self._rows.get(f"{row.path}[{index}]")
            if item is None:
                found.append(ItemResult(index, error=_NOTRUN))
            elif item.status == NodeStatus.SUCCEEDED:
                found.append(ItemResult(index, item.output))
            else:
                found.append(ItemResult(index, error=item.error or _NOTRUN))
        return found

    def _scope_of(self, row: Row) -> dict[str, Any]:
        results = self._results(row.node.reads, row.scope.name)
        return scope_for(
            row.node,
            results,
            inputs=self.inputs,
            variables=self.plan.variables,
            run=RUN,
            env={},
            **self._body_values(row.scope.name),
        )

    def _body_values(self, scope: str) -> dict[str, Any]:
        """Return `item`, `index` and `loop` as the bodies around a node give them."""
        found: dict[str, Any] = {}
        if item := self.plan.innermost(scope, "map"):
            found |= {"item": self._scopes[item].item, "index": self._scopes[item].index}
        if loop := self.plan.innermost(scope, "loop"):
            found["loop"] = {"index": self._scopes[loop].index, "value": self._scopes[loop].item}
        return found

    def _results(self, reads: tuple[Read, ...], scope: str) -> dict[Read, NodeResult]:
        found = {}
        for read in reads:
            row = self._rows[path_of(outer_scope(scope, read.level), read.node)]
            found[read] = NodeResult(row.output, row.status.value, row.error)
        return found

    def is_over_time(self, at: float) -> bool:
        """Say whether the run's time is up then; undoing has time."""
        limit = self.plan.limits.get("duration")
        if limit is None or at <= limit:
            return False
        return not any(f"{UNDO}[" in name for name in self._scopes)

    def stop(self) -> None:
        """End a run whose time is up: what has not ended is cancelled."""
        self.clock = self.plan.limits["duration"]
        self.queue.clear()
        self._error = TimeLimit(f"The run did not end within its limit of {self.clock:g} s.").as_json()
        for row in self._rows.values():
            if row.status not in FINAL_NODE:
                row.status, row.finished = NodeStatus.CANCELLED, self.clock

    def undo(self) -> None:
        """Open the next compensation of a run that fails, the last first; each is its own stretch of time."""
        own = [row for row in self._rows.values() if not row.scope.name]
        if not self.plan.has_undo or any(row.status not in FINAL_NODE for row in own):
            return
        if self._ending()[0] != RunStatus.FAILED:
            return
        row = last_to_undo(self._rows)
        if row is not None:
            body = row.scope.plan.bodies[f"{row.node.id}{UNDO}"]
            self.open_scope(undo_scope(row.path), body)

    def ended(self) -> Simulated:
        open_paths = [path for path, row in self._rows.items() if row.status not in FINAL_NODE]
        if open_paths:
            raise SimulationError(f"These never settled: {', '.join(open_paths[:10])}.")
        makespan = max((row.finished or 0.0 for row in self._rows.values()), default=0.0)
        nodes = {path: row.end() for path, row in self._rows.items()}
        status, output, error = self._ending()
        return Simulated(status, nodes, output, makespan, error)

    def _ending(self) -> tuple[RunStatus, Any, Mapping[str, Any] | None]:
        """Return status, output and error of a run whose own nodes have all settled."""
        failures = [row.error for row in self._rows.values() if not row.scope.name and is_unhandled(row)]
        if self._error is not None or failures:
            return RunStatus.FAILED, None, self._error or failures[0]
        results = self._results(self.plan.output_reads, "")
        scope = reading_scope(
            self.plan.output_reads,
            results,
            inputs=self.inputs,
            variables=self.plan.variables,
            run=RUN,
            env={},
        )
        try:
            return RunStatus.SUCCEEDED, render(self.plan.output, scope), None
        except ExpressionError as error:
            return RunStatus.FAILED, None, error.as_json()


def _result(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    coroutine.close()
    raise SimulationError("A simulated node must not wait.")
