"""The heart of run time: which nodes become ready or are skipped when others settle. One graph (scope) at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from orchestra.engine.plan import Join, Plan, PlanNode


@dataclass(frozen=True, slots=True)
class Count:
    """The state of a join with at least two incoming edges.

    `unsettled` edges are still open, `live` ones are settled and live; `is_decided` says that the node has been
    made ready or skipped, so that later arrivals are counted but change nothing.
    """

    unsettled: int
    live: int
    is_decided: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node has settled and taken these ports; none when it was skipped, cancelled or failed unhandled."""

    node: str
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """What arrivals cause. `skipped` holds all nodes that the skipping spread to, in order; none needs an arrival."""

    ready: tuple[str, ...]
    skipped: tuple[str, ...]
    counts: Mapping[str, Count]
    """Joins whose count changed, with their new counts."""


class _Verdict(Enum):
    OPEN = "open"
    READY = "ready"
    SKIP = "skip"


Load = Callable[[Collection[str]], Mapping[str, Count]]


def initial_counts(plan: Plan) -> Mapping[str, Count]:
    """Return the count of every node with at least two incoming edges, before anything has settled."""
    return {node.id: Count(len(node.needs), 0) for node in plan.nodes.values() if len(node.needs) > 1}


def decides_early(node: PlanNode) -> bool:
    """Tell whether a node's join can be decided, to run or to skip, while one of its sources has not ended."""
    return node.join.rule in {"first", "quorum", "all"} and len({edge.source for edge in node.needs}) > 1


def settle(plan: Plan, arrivals: Sequence[Arrival], load: Load) -> Progress:
    """Work out what the arrivals make ready and skip.

    `load` returns the current counts of joins; it is called with each node at most once, and never with one that
    has a single incoming edge. It may be called several times, as skips spread. Each node must arrive once in the
    life of its scope. Takes time proportional to the edges touched.
    """
    state = _State(plan, load)
    wave = deque(arrivals)
    while wave:
        state.load_for(wave)
        spread: list[Arrival] = []
        for arrival in wave:
            spread.extend(Arrival(name, ()) for name in state.take(arrival))
        wave = deque(spread)
    return Progress(tuple(state.ready), tuple(state.skipped), state.changed())


def is_met(join: Join, live: int, edges: int) -> bool:
    """Say whether a join whose edges have all settled, `live` of them live, lets its node run."""
    return _decide(join, _Tally(0, live, is_decided=False), edges) is _Verdict.READY


@dataclass(slots=True)
class _Tally:
    unsettled: int
    live: int
    is_decided: bool


@dataclass(slots=True)
class _State:
    plan: Plan
    load: Load
    tallies: dict[str, _Tally] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def load_for(self, wave: Collection[Arrival]) -> None:
        """Load the counts of the joins that a wave reaches, those not loaded before."""
        wanted = dict.fromkeys(
            edge.target
            for arrival in wave
            for edge in self.plan.successors[arrival.node]
            if edge.target not in self.tallies and len(self.plan.nodes[edge.target].needs) > 1
        )
        if wanted:
            loaded = self.load(tuple(wanted))
            for name in wanted:
                count = loaded[name]
                self.tallies[name] = _Tally(count.unsettled, count.live, count.is_decided)

    def take(self, arrival: Arrival) -> Iterator[str]:
        """Follow the edges of one arrival; yield the nodes that it causes to be skipped."""
        for edge in self.plan.successors[arrival.node]:
            verdict = self._arrive(edge.target, edge.port in arrival.ports)
            if verdict is _Verdict.READY:
                self.ready.append(edge.target)
            elif verdict is _Verdict.SKIP:
                self.skipped.append(edge.target)
                yield edge.target

    def _arrive(self, name: str, is_live: bool) -> _Verdict:
        node = self.plan.nodes[name]
        if len(node.needs) == 1:
            return _decide(node.join, _Tally(0, int(is_live), is_decided=False), 1)
        tally = self.tallies[name]
        tally.unsettled -= 1
        tally.live += is_live
        if tally.is_decided:
            return _Verdict.OPEN
        verdict = _decide(node.join, tally, len(node.needs))
        tally.is_decided = verdict is not _Verdict.OPEN
        return verdict

    def changed(self) -> Mapping[str, Count]:
        return {
            name: Count(tally.unsettled, tally.live, tally.is_decided) for name, tally in self.tallies.items()
        }


def _decide(join: Join, tally: _Tally, edges: int) -> _Verdict:
    """Apply a join rule: what can be said as soon as it can be said."""
    match join.rule:
        case "any":
            is_met, is_possible = tally.unsettled == 0 and tally.live > 0, tally.unsettled + tally.live > 0
        case "done":
            is_met, is_possible = tally.unsettled == 0, True
        case "all":
            is_met, is_possible = tally.live == edges, tally.live + tally.unsettled == edges
        case "first":
            is_met, is_possible = tally.live > 0, tally.unsettled > 0
        case "quorum":
            is_met, is_possible = tally.live >= join.need, tally.live + tally.unsettled >= join.need
    if is_met:
        return _Verdict.READY
    return _Verdict.OPEN if is_possible else _Verdict.SKIP
