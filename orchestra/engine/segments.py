"""Fusion: cuts a graph into segments, maximal linear stretches of one queue that one message runs in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestra.engine.limits import SEGMENT_NODES
from orchestra.engine.nodes import kind
from orchestra.engine.plan import INLINE, PlanNode, Segment

CONTROL = "control"
"""The queue of a segment that holds inline kinds only."""


def find_segments(nodes: Mapping[str, PlanNode]) -> tuple[Segment, ...]:
    """Return the segments of a graph whose nodes are in topological order; every node is in exactly one.

    Two neighbours share a segment when each is the other's only neighbour on that side, their queues and
    priorities agree (inline kinds agree with any queue), and the first does not end its segment as maps and waits do.
    """
    following: dict[str, set[str]] = {name: set() for name in nodes}
    sources: dict[str, set[str]] = {}
    for node in nodes.values():
        sources[node.id] = {edge.source for edge in node.needs}
        for source in sources[node.id]:
            following[source].add(node.id)
    found: list[Segment] = []
    placed: set[str] = set()
    for name in nodes:
        if name in placed:
            continue
        stretch = _stretch(name, nodes, following, sources)
        placed.update(stretch)
        found.append(Segment(_queue([nodes[member] for member in stretch]), tuple(stretch)))
    return tuple(found)


def _stretch(
    start: str,
    nodes: Mapping[str, PlanNode],
    following: Mapping[str, set[str]],
    sources: Mapping[str, set[str]],
) -> list[str]:
    stretch = [start]
    queue = nodes[start].queue
    while len(stretch) < SEGMENT_NODES and len(following[stretch[-1]]) == 1:
        last = nodes[stretch[-1]]
        (name,) = following[last.id]
        node = nodes[name]
        if len(sources[name]) > 1 or kind(last.kind).ends_unit or node.priority != last.priority:
            break
        if INLINE not in {queue, node.queue} and node.queue != queue:
            break
        queue = node.queue if queue == INLINE else queue
        stretch.append(name)
    return stretch


def _queue(nodes: Sequence[PlanNode]) -> str:
    return next((node.queue for node in nodes if node.queue != INLINE), CONTROL)
