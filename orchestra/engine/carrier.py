"""Brings segments to where they run, in simulations, as units do on workers: gates start a unit, its canvas goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from orchestra.engine.plan import Plan, Tree
from orchestra.engine.progress import decides_early
from orchestra.engine.status import FINAL_NODE, NodeStatus

Then = Callable[[], None]


class SimulationError(AssertionError):
    """The plan broke a promise: something never settled, or a canvas reached a node before its join was decided."""


class Place(Protocol):
    """What a carrier needs of the scope it works in."""

    def status_of(self, name: str) -> NodeStatus: ...
    def execute(self, name: str, then: Then) -> None: ...
    def soon(self, action: Then) -> None: ...


class Carrier:
    """One per scope."""

    def __init__(self, plan: Plan, place: Place) -> None:
        self._plan = plan
        self._place = place
        self._waiting = [set(unit.gate) for unit in plan.units]
        self._fed: dict[str, list[int]] = defaultdict(list)
        self._early: dict[str, int] = {}
        for number, unit in enumerate(plan.units):
            first = plan.nodes[plan.segments[unit.segments[0]].nodes[0]]
            if decides_early(first):
                self._early[first.id] = number
            else:
                for name in unit.gate:
                    self._fed[name].append(number)

    def open(self) -> None:
        """Start the units without a gate."""
        for number, unit in enumerate(self._plan.units):
            if not unit.gate:
                self._start(number)

    def arrived(self, settled: Sequence[str], decided: Sequence[str]) -> None:
        """Nodes have settled, and joins have been decided: start the units whose gates that opens."""
        for name in settled:
            for number in self._fed[name]:
                self._waiting[number].discard(name)
                if not self._waiting[number]:
                    self._start(number)
        for name in decided:
            if name in self._early:
                self._start(self._early[name])

    def _start(self, number: int) -> None:
        self._place.soon(lambda: self._walk(self._plan.units[number].tree, _nothing))

    def _walk(self, tree: Tree, then: Then) -> None:
        if tree.op == "leaf":
            self._go_on(iter(self._plan.segments[tree.segment].nodes), then)
        elif tree.op == "series":
            self._series(iter(tree.children), then)
        else:
            self._parallel(tree.children, then)

    def _series(self, rest: Iterator[Tree], then: Then) -> None:
        following = next(rest, None)
        if following is None:
            then()
        else:
            self._walk(following, lambda: self._series(rest, then))

    def _parallel(self, children: Sequence[Tree], then: Then) -> None:
        left = len(children)

        def arrive() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                then()

        for child in children:
            self._walk(child, arrive)

    def _go_on(self, rest: Iterator[str], then: Then) -> None:
        """Take the next node of a segment; what is already settled is passed over."""
        name = next(rest, None)
        if name is None:
            then()
            return
        status = self._place.status_of(name)
        if status in FINAL_NODE:
            self._go_on(rest, then)
        elif status == NodeStatus.QUEUED:
            self._place.execute(name, lambda: self._go_on(rest, then))
        else:
            raise SimulationError(f"A canvas reached “{name}” while it is {status}.")


def _nothing() -> None:
    """The end of a unit starts nothing: gates do."""
