"""Families of random graphs, each as the sources of every node: layered, Erdős–Rényi, series-parallel, real shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from zlib import crc32

from tests.engine.graphs import CALL, HTTP, LLM, SHAPE, definition_of

Sources = list[list[int]]
KINDS = (LLM, HTTP, CALL, SHAPE)


def layered(random: Random, size: int) -> Sources:
    """Layers of some width; each node needs one to three of the layer before."""
    width = random.randint(1, max(1, size // 2))
    found: Sources = []
    for number in range(size):
        layer = number // width
        before = list(range((layer - 1) * width, layer * width)) if layer else []
        found.append(sorted(random.sample(before, min(len(before), random.randint(1, 3)))))
    return found


def erdos_renyi(random: Random, size: int) -> Sources:
    """Every earlier node is a source with the same chance."""
    chance = random.choice([0.02, 0.05, 0.1, 0.3])
    return [[other for other in range(number) if random.random() < chance] for number in range(size)]


def series_parallel(random: Random, size: int) -> Sources:
    """Parts put one after the other or side by side, over and over."""
    found: Sources = [[] for _ in range(size)]

    def build(start: int, stop: int, before: list[int]) -> list[int]:
        if stop - start == 1:
            found[start] = before
            return [start]
        cut = random.randint(start + 1, stop - 1)
        if random.random() < 0.5:
            return build(cut, stop, build(start, cut, before))
        return build(start, cut, before) + build(cut, stop, before)

    build(0, size, [])
    return [sorted(sources) for sources in found]


def butterfly(_random: Random, size: int) -> Sources:
    """Stages of a fast Fourier transform: each node needs itself and its partner of the stage before."""
    bits = max(1, (size // 4).bit_length() - 1)
    width = 1 << bits
    found: Sources = [[] for _ in range(width)]
    for stage in range(bits):
        base = stage * width
        found += [sorted({base + place, base + (place ^ (1 << stage))}) for place in range(width)]
    return found


def lanes(random: Random, size: int) -> Sources:
    """Parallel chains with a few crossings, as data pipelines have them."""
    width = random.randint(2, 6)
    found: Sources = [[] for _ in range(width)]
    while len(found) < size:
        number = len(found)
        sources = {number - width}
        if random.random() < 0.15:
            sources.add(number - width - 1 if number % width else number - 1)
        found.append(sorted(source for source in sources if source >= 0))
    return found


def research(random: Random, size: int) -> Sources:
    """A plan, many searches with a reading each, drafts from several readings, a review, an end: an agents' flow."""
    searches = max(2, size // 3)
    found: Sources = [[]]
    found += [[0] for _ in range(searches)]
    found += [[1 + place] for place in range(searches)]
    readings = list(range(1 + searches, 1 + 2 * searches))
    drafts = [sorted(random.sample(readings, min(len(readings), 3))) for _ in range(max(1, searches // 2))]
    found += drafts
    first = 1 + 2 * searches
    found.append(list(range(first, first + len(drafts))))
    return found


def stencil(_random: Random, size: int) -> Sources:
    """Rows of a wave: each node needs its three neighbours of the row before."""
    width = max(2, int(size**0.5))
    found: Sources = [[] for _ in range(width)]
    while len(found) < size:
        row, place = divmod(len(found), width)
        near = range(max(0, place - 1), min(width, place + 2))
        found.append([(row - 1) * width + other for other in near])
    return found


FAMILIES: Sequence[Callable[[Random, int], Sources]] = (
    layered,
    erdos_renyi,
    series_parallel,
    butterfly,
    lanes,
    research,
    stencil,
)


def definition_from(random: Random, sources: Sources) -> dict[str, Any]:
    """Return a workflow of that shape, of random kinds and queues."""
    nodes = {
        f"n{number}": {**random.choice(KINDS), "needs": [f"n{source}" for source in needed]}
        for number, needed in enumerate(sources)
    }
    return definition_of(nodes)


def seconds_of(path: str) -> float:
    """Return how long a node takes: 1 to 9, the same for the same path."""
    return 1.0 + crc32(path.encode()) % 9


def ideal_ends(definition: dict[str, Any]) -> dict[str, float]:
    """Return when each node would end if it started with the end of its last source: no engine is asked."""
    ends: dict[str, float] = {}
    for name, node in definition["nodes"].items():
        start = max((ends[source] for source in node["needs"]), default=0.0)
        ends[name] = start + (0.0 if node["kind"] == "transform" else seconds_of(name))
    return ends
