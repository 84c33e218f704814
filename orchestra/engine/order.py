"""The order of segments as bitsets: what must come before what, and which of it is direct.

Elements are numbers 0…n-1 in topological order; a set of elements is one int.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """A strict partial order: `below[x]` precede x, `above[x]` follow it, `direct[x]` precede it directly."""

    below: tuple[int, ...]
    above: tuple[int, ...]
    direct: tuple[tuple[int, ...], ...]


def order_of(sources: Sequence[Sequence[int]]) -> Order:
    """Return the transitive closure and reduction of a graph given by the direct sources of each element."""
    count = len(sources)
    below = [0] * count
    direct: list[tuple[int, ...]] = []
    for element in range(count):
        closure = 0
        kept: list[int] = []
        for source in sorted(set(sources[element]), reverse=True):
            if not closure >> source & 1:
                kept.append(source)
                closure |= below[source] | 1 << source
        below[element] = closure
        direct.append(tuple(reversed(kept)))
    above = [0] * count
    for element in range(count - 1, -1, -1):
        mark = above[element] | 1 << element
        for source in direct[element]:
            above[source] |= mark
    return Order(tuple(below), tuple(above), tuple(direct))


def members(bits: int) -> Iterator[int]:
    """Yield the elements of a set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def lowest(bits: int) -> int:
    """Return the first element of a set that is not empty."""
    return (bits & -bits).bit_length() - 1
