"""Places boxes and edges of a directed graph in layers, top to bottom (after Sugiyama, Tagawa, Toda, 1981).

Pure geometry: it knows neither workflows nor Django. Units are CSS pixels; y grows downwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_X = 28.0
"""Free space between neighbours of one layer."""
GAP_Y = 44.0
"""Free space between layers: room for the curves and the port labels."""
BEND_WIDTH = 12.0
"""Width of the lane that an edge keeps free where it passes a layer."""
MAX_BENDS = 6000
"""Beyond this many lanes long edges are drawn as one curve: a definition that large is read in its list."""
SWEEPS = 10

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Top-left corners by box, the points every edge passes (by its index), and the extent of everything."""

    corners: Mapping[str, Point]
    routes: Sequence[tuple[Point, ...]]
    size: Size


@dataclass(slots=True)
class _Layers:
    """Rows of box ids, bends included, with the neighbours above and below of each."""

    rows: list[list[str]]
    above: Mapping[str, list[str]]
    below: Mapping[str, list[str]]
    chains: list[tuple[str, ...]]


def arrange(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]]) -> Layout:
    """Place every box of `sizes`; edges between unknown boxes must have been dropped by the caller.

    Cycles are allowed (a draft may have them): an edge that closes one runs upwards.
    """
    if not sizes:
        return Layout({}, [], Size(0, 0))
    forward = _without_cycles(list(sizes), edges)
    rank = _ranks(list(sizes), forward)
    layers = _layered(list(sizes), forward, rank)
    _order(layers)
    widths = {name: sizes[name].width if name in sizes else BEND_WIDTH for row in layers.rows for name in row}
    centres = _centres(layers, widths)
    tops, heights = _row_extents(layers.rows, sizes)
    corners = {
        name: (centres[name] - sizes[name].width / 2, tops[i] + (heights[i] - sizes[name].height) / 2)
        for i, row in enumerate(layers.rows)
        for name in row
        if name in sizes
    }
    rows_of = {name: i for i, row in enumerate(layers.rows) for name in row}
    routes = [
        _route(chain, (source, target) != edges[i], corners, sizes, centres, rows_of, tops, heights)
        for i, (chain, (source, target)) in enumerate(zip(layers.chains, forward, strict=True))
    ]
    width = max(centres[name] + widths[name] / 2 for row in layers.rows for name in row)
    return Layout(corners, routes, Size(width, tops[-1] + heights[-1]))


def _without_cycles(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Turn round every edge that closes a cycle, found by depth-first search without recursion."""
    outgoing: dict[str, list[int]] = defaultdict(list)
    for i, (source, _) in enumerate(edges):
        outgoing[source].append(i)
    result = list(edges)
    state: dict[str, int] = {}
    for root in names:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(outgoing[root]))]
        while stack:
            name, rest = stack[-1]
            edge = next(rest, None)
            if edge is None:
                state[name] = 2
                stack.pop()
                continue
            target = edges[edge][1]
            if state.get(target) == 1:
                result[edge] = (target, name)
            elif target not in state:
                state[target] = 1
                stack.append((target, iter(outgoing[target])))
    return result


def _ranks(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return each box's layer: the longest path from a start; starts stand just above what follows."""
    incoming, outgoing = _neighbours(edges)
    missing = {name: len(incoming[name]) for name in names}
    ready = [name for name in names if not missing[name]]
    rank = dict.fromkeys(names, 0)
    for name in ready:
        for target in outgoing[name]:
            rank[target] = max(rank[target], rank[name] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    for name in reversed(ready):
        if outgoing[name] and not incoming[name]:
            rank[name] = min(rank[target] for target in outgoing[name]) - 1
    return rank


def _neighbours(edges: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    incoming: dict[str, list[str]] = defaultdict(list)
    outgoing: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        if source != target:
            incoming[target].append(source)
            outgoing[source].append(target)
    return incoming, outgoing


def _layered(names: Sequence[str], edges: Sequence[tuple[str, str]], rank: Mapping[str, int]) -> _Layers:
    """Fill the rows, with one bend for every layer that an edge passes."""
    rows: list[list[str]] = [[] for _ in range(max(rank.values()) + 1)]
    for name in names:
        rows[rank[name]].append(name)
    bends = sum(max(0, rank[target] - rank[source] - 1) for source, target in edges)
    chains: list[tuple[str, ...]] = []
    for i, (source, target) in enumerate(edges):
        passed = range(rank[source] + 1, rank[target]) if bends <= MAX_BENDS else ()
        lane = [f"{i}:{row}" for row in passed]
        for row, bend in zip(passed, lane, strict=True):
            rows[row].append(bend)
        chains.append((source, *lane, target))
    above, below = _neighbours((a, b) for chain in chains for a, b in pairwise(chain))
    return _Layers(rows, above, below, chains)


def _order(layers: _Layers) -> None:
    """Order each row by the barycentre of its neighbours, sweeping down and up; the fewest crossings win."""
    _first_order(layers)
    best, fewest, idle = [list(row) for row in layers.rows], _crossings(layers), 0
    for sweep in range(SWEEPS):
        if not fewest or idle > 3:
            break
        is_down = sweep % 2 == 0
        rows = range(1, len(layers.rows)) if is_down else range(len(layers.rows) - 2, -1, -1)
        for i in rows:
            fixed = layers.rows[i - 1 if is_down else i + 1]
            _sort_row(layers.rows[i], fixed, layers.above if is_down else layers.below)
        found = _crossings(layers)
        idle += 1
        if found < fewest:
            best, fewest, idle = [list(row) for row in layers.rows], found, 0
    layers.rows[:] = best


def _first_order(layers: _Layers) -> None:
    """Start with the order in which a walk from the first row meets the boxes: branches stay side by side."""
    position: dict[str, int] = {}
    stack = [name for row in reversed(layers.rows) for name in reversed(row) if not layers.above[name]]
    while stack:
        name = stack.pop()
        if name in position:
            continue
        position[name] = len(position)
        stack.extend(reversed(layers.below[name]))
    for row in layers.rows:
        row.sort(key=lambda name: position.get(name, len(position)))


def _sort_row(row: list[str], fixed: Sequence[str], neighbours: Mapping[str, list[str]]) -> None:
    place = {name: i for i, name in enumerate(fixed)}
    weight: dict[str, float] = {}
    for i, name in enumerate(row):
        around = [place[other] for other in neighbours[name] if other in place]
        weight[name] = sum(around) / len(around) if around else float(i)
    row.sort(key=weight.__getitem__)


def _crossings(layers: _Layers) -> int:
    """Count the crossings of neighbouring rows by an accumulator tree (Barth, Jünger, Mutzel, 2002)."""
    total = 0
    for upper, lower in pairwise(layers.rows):
        place = {name: i for i, name in enumerate(lower)}
        tree = [0] * (len(lower) + 1)
        seen = 0
        for name in upper:
            targets = sorted(place[other] for other in layers.below[name] if other in place)
            for target in targets:
                total += seen - _sum_to(tree, target + 1)
            for target in targets:
                seen += 1
                _add_at(tree, target + 1)
    return total


def _sum_to(tree: Sequence[int], index: int) -> int:
    total = 0
    while index > 0:
        total += tree[index]
        index &= index - 1
    return total


def _add_at(tree: list[int], index: int) -> None:
    while index < len(tree):
        tree[index] += 1
        index += index & -index


def _centres(layers: _Layers, widths: Mapping[str, float]) -> dict[str, float]:
    """Return x centres: each box strives to the mean of its neighbours, and none overlaps its row."""
    centres: dict[str, float] = {}
    for row in layers.rows:
        x = 0.0
        for name in row:
            centres[name] = x + widths[name] / 2
            x += widths[name] + GAP_X
    count = len(layers.rows)
    for sweep in range(8):
        order = range(count) if sweep % 2 == 0 else range(count - 1, -1, -1)
        primary, other = (layers.above, layers.below) if sweep % 2 == 0 else (layers.below, layers.above)
        for i in order:
            row = layers.rows[i]
            wanted = [_wanted(name, centres, primary, other, sweep) for name in row]
            weights = [1.0 if name in layers.above or name in layers.below else 0.2 for name in row]
            for name, centre in zip(row, _spread(row, wanted, weights, widths), strict=True):
                centres[name] = centre
    left = min(centres[name] - widths[name] / 2 for row in layers.rows for name in row)
    return {name: centre - left for name, centre in centres.items()}


def _wanted(
    name: str,
    centres: Mapping[str, float],
    primary: Mapping[str, list[str]],
    other: Mapping[str, list[str]],
    sweep: int,
) -> float:
    around = list(primary.get(name, ()))
    if sweep >= 4 or not around:
        around += other.get(name, ())
    return sum(centres[n] for n in around) / len(around) if around else centres[name]


def _spread(
    row: Sequence[str], wanted: Sequence[float], weights: Sequence[float], widths: Mapping[str, float]
) -> list[float]:
    """Return the centres nearest to the wanted ones that keep order and gaps (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2 + GAP_X)
    blocks: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        value, mass, count = want - offset, weight, 1
        while blocks and blocks[-1][0] > value:
            before, heavier, more = blocks.pop()
            value = (before * heavier + value * mass) / (heavier + mass)
            mass, count = mass + heavier, count + more
        blocks.append((value, mass, count))
    flat = [value for value, _, count in blocks for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def _row_extents(rows: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> tuple[list[float], list[float]]:
    heights = [max((sizes[name].height for name in row if name in sizes), default=0.0) for row in rows]
    tops, y = [], 0.0
    for height in heights:
        tops.append(y)
        y += height + GAP_Y
    return tops, heights


def _route(
    chain: Sequence[str],
    is_turned: bool,
    corners: Mapping[str, Point],
    sizes: Mapping[str, Size],
    centres: Mapping[str, float],
    rows_of: Mapping[str, int],
    tops: Sequence[float],
    heights: Sequence[float],
) -> tuple[Point, ...]:
    """Return the points from the first box to the last: where each row is left and the next entered."""
    first, last = chain[0], chain[-1]
    points: list[Point] = [(centres[first], corners[first][1] + sizes[first].height)]
    for name in chain:
        x, row = centres[name], rows_of[name]
        if name != first:
            points.append((x, tops[row]))
        if name != last:
            points.append((x, tops[row] + heights[row]))
    points.append((centres[last], corners[last][1]))
    return tuple(reversed(points)) if is_turned else tuple(points)
