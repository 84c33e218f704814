"""Modular decomposition of a partial order: which parts are nested in series and parallel, where the knots are.

A *module* is a set whose members all relate in the same way to everything outside. See R. H. Möhring and
F. J. Radermacher, "Substitution decomposition for discrete structures" (1984). Bitsets keep it quick; where looking
for modules in a knot would cost too much, the knot is left as it is, which is always correct.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestra.engine.limits import KNOT_SEGMENTS
from orchestra.engine.order import Order, lowest, members

_DEEPEST = 60
"""Nesting beyond this is left as a knot: no unit could hold it."""

_WORK = 150_000
"""Row operations spent on looking for modules in all knots of one order."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module: a leaf, a series (children in order), a parallel, or a knot of modules."""

    op: Literal["leaf", "series", "parallel", "knot"]
    bits: int
    children: tuple[Part, ...] = ()

    @property
    def element(self) -> int:
        """The element of a leaf; the first one otherwise."""
        return lowest(self.bits)

    @property
    def has_knot(self) -> bool:
        return self.op == "knot" or any(child.has_knot for child in self.children)


def decompose(order: Order) -> Part | None:
    """Return the decomposition of an order, or None for the empty one."""
    count = len(order.below)
    return _Decomposition(order).part((1 << count) - 1, 0) if count else None


class _Decomposition:
    def __init__(self, order: Order) -> None:
        self._below = order.below
        self._above = order.above
        self._work = _WORK

    def part(self, bits: int, depth: int) -> Part:
        if bits & (bits - 1) == 0:
            return Part("leaf", bits)
        if depth >= _DEEPEST:
            return self._knot(bits, [1 << element for element in members(bits)], depth)
        groups = self._parallel(bits)
        if len(groups) > 1:
            return Part("parallel", bits, tuple(self.part(group, depth + 1) for group in groups))
        groups = self._series(bits)
        if len(groups) > 1:
            return Part("series", bits, tuple(self.part(group, depth + 1) for group in groups))
        return self._knot(bits, self._modules(bits), depth)

    def _knot(self, bits: int, modules: Sequence[int], depth: int) -> Part:
        return Part(
            "knot", bits, tuple(self.part(module, depth + 1) for module in sorted(modules, key=lowest))
        )

    def _parallel(self, bits: int) -> list[int]:
        """Connected components of the comparability graph."""
        groups = []
        rest = bits
        while rest:
            reached = frontier = rest & -rest
            while frontier:
                near = 0
                for element in members(frontier):
                    near |= self._below[element] | self._above[element]
                frontier = near & rest & ~reached
                reached |= frontier
            groups.append(reached)
            rest &= ~reached
        return groups

    def _series(self, bits: int) -> list[int]:
        """Connected components of the incomparability graph, in order."""
        groups = []
        rest = bits
        while rest:
            reached = rest & -rest
            frontier = reached
            while frontier:
                element = frontier.bit_length() - 1
                far = rest & ~(self._below[element] | self._above[element] | reached)
                reached |= far
                frontier = (frontier ^ (1 << element)) | far
            groups.append(reached)
            rest &= ~reached
        return sorted(groups, key=lambda group: (self._below[lowest(group)] & bits).bit_count())

    def _modules(self, bits: int) -> list[int]:
        """Return the maximal proper modules of a knot (both graphs connected), or single elements if too costly.

        Refining from one element gives every maximal module without it; the one that holds it is put together from
        the smallest modules around it.
        """
        singles = [1 << element for element in members(bits)]
        if len(singles) > KNOT_SEGMENTS:
            return singles
        seed = bits & -bits
        classes = self._refine(bits, seed)
        if classes is None:
            return singles
        own = self._module_with(bits, seed, classes)
        if own is None:
            return singles
        return [own, *(group for group in classes if not group & own)]

    def _refine(self, bits: int, seed: int) -> list[int] | None:
        """Split what is outside `seed` until no outsider tells the members of a class apart."""
        element = lowest(seed)
        rest = bits & ~seed
        first = [self._below[element] & rest, self._above[element] & rest]
        waiting = [group for group in (*first, rest & ~(first[0] | first[1])) if group]
        done: list[int] = []
        while waiting:
            group = waiting.pop()
            pieces = self._split(bits, group)
            if self._work <= 0:
                return None
            if len(pieces) == 1:
                done.append(group)
            else:
                waiting.extend(pieces)
        return done

    def _split(self, bits: int, group: int) -> list[int]:
        """Split a class by everything outside that tells its members apart."""
        if group & (group - 1) == 0:
            return [group]
        outside = bits & ~group
        pieces: dict[tuple[int, int], int] = {}
        for element in members(group):
            self._work -= 1
            key = (self._below[element] & outside, self._above[element] & outside)
            pieces[key] = pieces.get(key, 0) | 1 << element
        return list(pieces.values())

    def _module_with(self, bits: int, seed: int, classes: Sequence[int]) -> int | None:
        """Return the maximal proper module that holds the seed; classes are inside it or outside it as a whole."""
        own, outside = seed, 0
        for group in classes:
            if group & own:
                own |= group
                continue
            module = self._closure(bits, own | group & -group, outside)
            if self._work <= 0:
                return None
            if module == bits:
                outside |= group
            else:
                own |= module | group
        return own

    def _closure(self, bits: int, module: int, outside: int) -> int:
        """Return the smallest module around a set, or everything as soon as it meets `outside`."""
        first = lowest(module)
        below, above = self._below[first], self._above[first]
        pending = module & ~(1 << first)
        while pending:
            self._work -= 1
            element = pending.bit_length() - 1
            pending ^= 1 << element
            apart = (self._below[element] ^ below) | (self._above[element] ^ above)
            grown = apart & bits & ~module
            module |= grown
            pending |= grown
            if module & outside or module == bits:
                return bits
        return module
