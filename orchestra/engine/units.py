"""Cuts the graph of segments into units: small nested canvases, linked by gates where it is not nested.

Every segment starts exactly when its last predecessor has settled, as with gates alone: a canvas is used only
where it waits for nothing else. The argument: all that a module's first members need is the same, so one gate
serves them all; in a series everything on the left precedes everything on the right anyway; and what hangs on a
module needs that module and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestra.engine.decomposition import Part, decompose
from orchestra.engine.nodes import kind
from orchestra.engine.order import Order, members, order_of
from orchestra.engine.plan import PlanNode, Segment, Tree, Unit
from orchestra.engine.progress import decides_early


def find_units(
    nodes: Mapping[str, PlanNode], segments: Sequence[Segment], unit_size: int
) -> tuple[Unit, ...]:
    """Return the units of a graph, in the order of their first segments; every segment is in exactly one.

    A unit holds at most `unit_size` segments; with 1 every segment is its own. A segment that ends in a map or
    a wait is alone. One whose join can be decided before all its sources have ended is the only start of its unit.
    """
    sources = _sources(nodes, segments)
    early = {number for number, found in enumerate(segments) if decides_early(nodes[found.nodes[0]])}
    order = order_of([() if number in early else found for number, found in enumerate(sources)])
    alone = {number for number, found in enumerate(segments) if kind(nodes[found.nodes[-1]].kind).ends_unit}
    cutter = _Cutter(order, _bits(alone), _bits(early), unit_size)
    cutter.cut()
    units = []
    for stems in cutter.units:
        first = stems[0].first
        gate = sources[first] if first in early else order.direct[first]
        units.append(_unit(stems, [segments[number].nodes[-1] for number in gate]))
    return tuple(sorted(units, key=lambda unit: unit.segments[0]))


def _sources(nodes: Mapping[str, PlanNode], segments: Sequence[Segment]) -> list[list[int]]:
    """Return the segments that each segment's first node needs."""
    return [
        sorted({nodes[edge.source].segment for edge in nodes[segment.nodes[0]].needs}) for segment in segments
    ]


def _bits(numbers: set[int]) -> int:
    return sum(1 << number for number in numbers)


@dataclass(slots=True, eq=False)
class _Stem:
    """A nested tree of segments, and what hangs on its end."""

    tree: Tree
    bits: int
    unit: list[_Stem]
    """All stems of the unit, this one included; the first is the one that the gate starts."""
    hung: list[_Stem] = field(default_factory=list)

    @property
    def first(self) -> int:
        return next(members(self.bits))

    def whole(self) -> Tree:
        if not self.hung:
            return self.tree
        return _nested("series", [self.tree, _nested("parallel", [stem.whole() for stem in self.hung])])


def _unit(stems: list[_Stem], gate: list[str]) -> Unit:
    held = 0
    for stem in stems:
        held |= stem.bits
    return Unit(stems[0].whole(), tuple(gate), tuple(members(held)))


def _nested(op: str, trees: Sequence[Tree]) -> Tree:
    """Return a series or parallel of trees without one of the same sort directly inside."""
    children: list[Tree] = []
    for tree in trees:
        children.extend(tree.children if tree.op == op else [tree])
    if len(children) == 1:
        return children[0]
    return Tree("series" if op == "series" else "parallel", children=tuple(children))


class _Cutter:
    """Collects units from the decomposition of the order, from the top down."""

    def __init__(self, order: Order, alone: int, early: int, unit_size: int) -> None:
        self.units: list[list[_Stem]] = []
        self._order = order
        self._alone = alone
        self._early = early
        self._unit_size = unit_size

    def cut(self) -> None:
        if self._unit_size <= 1:
            for number in range(len(self._order.below)):
                self._start(Part("leaf", 1 << number))
            return
        whole = decompose(self._order)
        if whole is not None:
            self._emit(whole)

    def _emit(self, part: Part) -> None:
        if part.op == "leaf" or self._is_nested(part):
            self._start(part)
        elif part.op == "parallel":
            for child in part.children:
                self._emit(child)
        elif part.op == "series":
            self._emit_series(part)
        else:
            self._emit_knot(part)

    def _start(self, part: Part) -> _Stem:
        """Open a unit with one nested part."""
        unit: list[_Stem] = []
        stem = _Stem(_tree(part), part.bits, unit)
        unit.append(stem)
        self.units.append(unit)
        return stem

    def _is_nested(self, part: Part) -> bool:
        """Tell whether a part fits into one canvas anywhere: small, no knots, nothing with rules of its own."""
        is_small = part.bits.bit_count() <= self._unit_size
        return is_small and not part.bits & (self._alone | self._early) and not part.has_knot

    def _can_lead(self, part: Part) -> bool:
        """Tell whether something may follow a part within its unit, the part being what starts it."""
        return self._is_nested(part) or (part.op == "leaf" and not part.bits & self._alone)

    def _emit_series(self, part: Part) -> None:
        """Pack neighbours that are nested into one unit while it stays small enough."""
        current: _Stem | None = None
        for child in part.children:
            is_nested = self._is_nested(child)
            if current is not None and is_nested and self._has_room(current.unit, child):
                current.tree = _nested("series", [current.tree, _tree(child)])
                current.bits |= child.bits
            elif is_nested or self._can_lead(child):
                current = self._start(child)
            else:
                self._emit(child)
                current = None

    def _emit_knot(self, part: Part) -> None:
        """Hang each nested module that needs exactly one other on that one; the rest get gates."""
        owner = {
            element: place for place, child in enumerate(part.children) for element in members(child.bits)
        }
        stems: dict[int, _Stem] = {}
        for place, child in enumerate(part.children):
            needed = {owner[source] for source in self._order.direct[child.element] if source in owner}
            host = stems.get(min(needed)) if len(needed) == 1 else None
            if host is not None and self._is_nested(child) and self._has_room(host.unit, child):
                stem = _Stem(_tree(child), child.bits, host.unit)
                host.hung.append(stem)
                host.unit.append(stem)
                stems[place] = stem
            elif self._can_lead(child):
                stems[place] = self._start(child)
            else:
                self._emit(child)

    def _has_room(self, unit: list[_Stem], part: Part) -> bool:
        held = sum(stem.bits.bit_count() for stem in unit)
        return held + part.bits.bit_count() <= self._unit_size


def _tree(part: Part) -> Tree:
    if part.op == "leaf":
        return Tree("leaf", part.element)
    return _nested(part.op, [_tree(child) for child in part.children])
