"""Cuts the graph of segments into units: small canvases linked by gates."""

from __future__ import annotations

from collections.abc import Mapping

from orchestra.engine.plan import PlanNode, Segment, Tree, Unit


def find_units(
    nodes: Mapping[str, PlanNode], segments: tuple[Segment, ...], unit_size: int
) -> tuple[Unit, ...]:
    """Return the units of a graph."""
    found = []
    for number, segment in enumerate(segments):
        gate = tuple(dict.fromkeys(edge.source for edge in nodes[segment.nodes[0]].needs))
        found.append(Unit(Tree("leaf", number), gate, (number,)))
    return tuple(found)
