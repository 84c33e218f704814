"""Runs a plan in virtual time, with the engine's own logic and scripted outcomes, in one process and no database."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any, NamedTuple

from orchestra.engine.attempt import attempt
from orchestra.engine.carrier import Carrier, SimulationError
from orchestra.engine.context import Context, HttpClient
from orchestra.engine.expressions import render
from orchestra.engine.nodes import kind
from orchestra.engine.outcome import Done, Expand, Failed, ItemResult, Outcome, Skipped
from orchestra.engine.plan import INLINE, ITEM, Plan, PlanNode, Read, outer_scope, path_of
from orchestra.engine.progress import Arrival, Count, initial_counts, settle
from orchestra.engine.scope import NodeResult, reading_scope, scope_for
from orchestra.engine.status import FINAL_NODE, NodeStatus, RunStatus
from orchestra.errors import ExpressionError
from orchestra.llm.client import ModelTarget

Behave = Callable[[str, PlanNode, Mapping[str, Any]], Outcome]
"""(path, node with evaluated settings, scope) → outcome of one attempt; may raise NodeFailure instead."""

_RUN = {"id": "simulated", "number": 1, "started_at": "2000-01-01T00:00:00Z"}
_NOT_RUN = {"code": "not_run", "message": "An earlier item failed, so this one was not started."}


class NodeEnd(NamedTuple):
    """How a node run ended; times in virtual seconds, None for what never started."""

    status: NodeStatus
    output: Any
    started: float | None
    finished: float | None
    error: Mapping[str, Any] | None = None
    attempts: int = 0


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
) -> Simulated:
    """Run a plan to its end with as many workers as it wants.

    Inline kinds run for real and take no time; for all others `behave` says how an attempt ends and `duration` how
    long it takes (by path). With `by_units` a segment starts when its unit's canvas or gate brings it, as on
    workers; without, each node starts the moment it is ready: the ideal. `random` spreads retries.
    Raises SimulationError.
    """
    run = _Run(plan, inputs, behave, duration, by_units, random)
    run.open_scope("", plan)
    while run.queue:
        run.clock, _, action = heappop(run.queue)
        action()
    return run.ended()


@dataclass(slots=True, eq=False)
class _Row:
    path: str
    node: PlanNode
    scope: _Scope
    status: NodeStatus = NodeStatus.PENDING
    output: Any = None
    error: Mapping[str, Any] | None = None
    is_handled: bool = False
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    items: Sequence[Any] | None = None
    opened: int = 0
    unsettled: int = 0
    then: Callable[[], None] | None = None

    def end(self) -> NodeEnd:
        return NodeEnd(self.status, self.output, self.started, self.finished, self.error, self.attempts)


@dataclass(slots=True, eq=False)
class _Scope:
    name: str
    plan: Plan
    item: Any = None
    index: int | None = None
    owner: _Row | None = None
    rows: dict[str, _Row] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=dict)
    carrier: Carrier | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A scope as its carrier sees it."""

    run: _Run
    scope: _Scope

    def status_of(self, name: str) -> NodeStatus:
        return self.scope.rows[name].status

    def execute(self, name: str, then: Callable[[], None]) -> None:
        self.run.execute(self.scope.rows[name], then)

    def soon(self, action: Callable[[], None]) -> None:
        self.run.later(0.0, action)


@dataclass(slots=True)
class _Context:
    """The context of one attempt; inline kinds touch nothing but the scope."""

    node: PlanNode
    path: str
    attempt: int
    scope: Mapping[str, Any]
    items: Sequence[ItemResult] | None
    failures: Sequence[Mapping[str, Any]]

    @property
    def http(self) -> HttpClient:
        raise SimulationError("A simulation makes no requests.")

    @property
    def idempotency_key(self) -> str:
        return f"{_RUN['id']}/{self.path}"

    async def emit(self, text: str) -> None:
        """Nobody watches."""

    async def models(self, settings: Mapping[str, Any]) -> Sequence[ModelTarget]:
        raise SimulationError("A simulation asks no models.")

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        raise SimulationError("A simulation calls no functions.")


class _Run:
    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        behave: Behave,
        duration: Callable[[str], float],
        by_units: bool,
        random: Callable[[], float],
    ) -> None:
        self.plan = plan
        self.inputs = inputs
        self.clock = 0.0
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self._behave = behave
        self._duration = duration
        self._by_units = by_units
        self._random = random
        self._rows: dict[str, _Row] = {}
        self._events = 0

    def later(self, delay: float, action: Callable[[], None]) -> None:
        self._events += 1
        heappush(self.queue, (self.clock + delay, self._events, action))

    def open_scope(
        self, name: str, plan: Plan, item: Any = None, index: int | None = None, owner: _Row | None = None
    ) -> None:
        scope = _Scope(name, plan, item, index, owner, counts=dict(initial_counts(plan)))
        for node in plan.nodes.values():
            row = _Row(path_of(name, node.id), node, scope)
            scope.rows[node.id] = self._rows[row.path] = row
        scope.carrier = Carrier(plan, _Place(self, scope)) if self._by_units else None
        for start in plan.starts:
            scope.rows[start].status = NodeStatus.QUEUED
        if scope.carrier is not None:
            scope.carrier.open()
        else:
            for start in plan.starts:
                self.execute(scope.rows[start])

    def execute(self, row: _Row, then: Callable[[], None] | None = None) -> None:
        """Start a ready node; `then` is called when it has settled in one go, without opening items."""
        row.then = then
        row.status = NodeStatus.RUNNING
        row.attempts += row.items is None
        row.started = self.clock if row.started is None else row.started
        outcome = self._attempt(row)
        takes_time = kind(row.node.kind).queue != INLINE and not isinstance(outcome, Skipped)
        self.later(self._duration(row.path) if takes_time else 0.0, lambda: self._apply(row, outcome))

    def _attempt(self, row: _Row) -> Outcome:
        is_inline = kind(row.node.kind).queue == INLINE
        context = _Context(
            node=replace(row.node, timeout=None),
            path=row.path,
            attempt=row.attempts,
            scope=self._scope_of(row),
            items=None if row.items is None else self._item_results(row),
            failures=_failures(row.scope) if row.node.id == ITEM else (),
        )

        async def act(_: Context, settings: Mapping[str, Any]) -> Outcome:
            return self._behave(row.path, replace(row.node, settings=settings), context.scope)

        has_edge = row.node.id in row.scope.plan.handles_errors
        return _result(
            attempt(context, has_error_edge=has_edge, random=self._random, run=None if is_inline else act)
        )

    def _apply(self, row: _Row, outcome: Outcome) -> None:
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
            case _:
                raise SimulationError(f"{row.path}: a simulation does not wait for the world.")

    def _end(self, row: _Row, status: NodeStatus, ports: tuple[str, ...], output: Any) -> None:
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

    def _expand(self, row: _Row, outcome: Expand) -> None:
        row.status = NodeStatus.WAITING
        row.then = None
        row.items = outcome.items
        row.unsettled = len(outcome.items)
        for _ in range(min(len(outcome.items), outcome.concurrency or len(outcome.items))):
            self._open_next(row)

    def _open_next(self, row: _Row) -> None:
        index = row.opened
        row.opened += 1
        body = row.scope.plan.bodies[row.node.id]
        self.open_scope(f"{row.path}[{index}]", body, (row.items or ())[index], index, row)

    def _item_ended(self, owner: _Row, item: _Row) -> None:
        total = len(owner.items or ())
        owner.unsettled -= 1
        if item.status == NodeStatus.FAILED and owner.node.settings.get("on_item_error", "fail") == "fail":
            owner.unsettled -= total - owner.opened
            owner.opened = total
        elif owner.opened < total:
            self._open_next(owner)
        if owner.unsettled == 0:
            self.execute(owner)

    def _item_results(self, row: _Row) -> list[ItemResult]:
        found = []
        for index in range(len(row.items or ())):
            item = self._rows.get(f"{row.path}[{index}]")
            if item is None:
                found.append(ItemResult(index, error=_NOT_RUN))
            elif item.status == NodeStatus.SUCCEEDED:
                found.append(ItemResult(index, item.output))
            else:
                found.append(ItemResult(index, error=item.error or _NOT_RUN))
        return found

    def _scope_of(self, row: _Row) -> dict[str, Any]:
        results = self._results(row.node.reads, row.scope.name)
        return scope_for(
            row.node,
            results,
            inputs=self.inputs,
            variables=self.plan.variables,
            run=_RUN,
            env={},
            item=row.scope.item,
            index=row.scope.index,
        )

    def _results(self, reads: tuple[Read, ...], scope: str) -> dict[Read, NodeResult]:
        found = {}
        for read in reads:
            row = self._rows[path_of(outer_scope(scope, read.level), read.node)]
            found[read] = NodeResult(row.output, row.status.value, row.error)
        return found

    def ended(self) -> Simulated:
        open_paths = [path for path, row in self._rows.items() if row.status not in FINAL_NODE]
        if open_paths:
            raise SimulationError(f"These never settled: {', '.join(open_paths[:10])}.")
        makespan = max((row.finished or 0.0 for row in self._rows.values()), default=0.0)
        nodes = {path: row.end() for path, row in self._rows.items()}
        failures = [row.error for row in self._rows.values() if not row.scope.name and _is_unhandled(row)]
        if failures:
            return Simulated(RunStatus.FAILED, nodes, None, makespan, failures[0])
        results = self._results(self.plan.output_reads, "")
        scope = reading_scope(
            self.plan.output_reads,
            results,
            inputs=self.inputs,
            variables=self.plan.variables,
            run=_RUN,
            env={},
        )
        try:
            return Simulated(RunStatus.SUCCEEDED, nodes, render(self.plan.output, scope), makespan)
        except ExpressionError as error:
            return Simulated(RunStatus.FAILED, nodes, None, makespan, error.as_json())


def _failures(scope: _Scope) -> list[Mapping[str, Any]]:
    return [{**(row.error or {}), "node": row.path} for row in scope.rows.values() if _is_unhandled(row)]


def _is_unhandled(row: _Row) -> bool:
    return row.status == NodeStatus.FAILED and not row.is_handled


def _result(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    coroutine.close()
    raise SimulationError("A simulated node must not wait.")
