"""Draws a definition: boxes with positions, edges as SVG paths, the bodies of maps as groups inside.

It reads definitions as people type them: what makes no sense is left out, never an error. It knows no Django.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.workflows.layout import Layout, Point, Size, arrange

NODE = Size(220.0, 46.0)
MARGIN = 14.0
GROUP_HEAD = 46.0
GROUP_SIDE = 16.0
GROUP_FOOT = 16.0
GROUP_LEAST = 252.0
MAX_DEPTH = 5
TITLE_COLUMNS = 17
"""How many Latin letters of a title fit into a box; a Chinese character takes two."""
LABEL_COLUMNS = 14


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """`d` is the path in SVG's notation; the label is the port, where it is not the plain one."""

    source: str
    target: str
    port: str
    d: str
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """One box. `path` names it in the whole drawing: `views`, and `views[].draft` for a node of its body."""

    id: str
    path: str
    kind: str
    title: str
    label: str
    x: float
    y: float
    width: float
    height: float
    is_group: bool
    after: tuple[str, ...]
    """Titles of the nodes it comes after, for the list that stands beside the picture."""

    @property
    def middle(self) -> float:
        """Return the y of the title's middle line; a group's title stands in its head."""
        return self.y + (GROUP_HEAD if self.is_group else self.height) / 2


@dataclass(frozen=True, slots=True)
class Level:
    """One graph of the drawing, in the coordinates of the whole; what stands inside comes in later levels."""

    edges: tuple[DrawnEdge, ...]
    nodes: tuple[DrawnNode, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    width: float
    height: float
    levels: tuple[Level, ...]

    @property
    def nodes(self) -> Iterator[DrawnNode]:
        """Every box, outer ones first."""
        return (node for level in self.levels for node in level.nodes)


@dataclass(frozen=True, slots=True)
class _Node:
    """A node as it was read; `needs` are pairs of source and ports."""

    id: str
    kind: str
    title: str
    needs: tuple[tuple[str, str], ...]
    body: _Graph | None

    @property
    def size(self) -> Size:
        if self.body is None:
            return NODE
        inside = self.body.layout.size
        width = max(GROUP_LEAST, inside.width + 2 * GROUP_SIDE)
        return Size(width, GROUP_HEAD + inside.height + GROUP_FOOT)


@dataclass(frozen=True, slots=True)
class _Graph:
    nodes: tuple[_Node, ...]
    layout: Layout


def draw(definition: Any) -> Drawing:
    """Return the drawing of a definition; an empty one when there is nothing to draw."""
    levels: list[Level] = []
    graph = _read(definition, 0)
    _draw_level(graph, "", (MARGIN, MARGIN), levels)
    size = graph.layout.size
    return Drawing(size.width + 2 * MARGIN, size.height + 2 * MARGIN, tuple(levels))


def _read(definition: Any, depth: int) -> _Graph:
    nodes = definition.get("nodes") if isinstance(definition, Mapping) else None
    known = {}
    if isinstance(nodes, Mapping) and depth <= MAX_DEPTH:
        known = {str(key): value for key, value in nodes.items() if isinstance(value, Mapping)}
    read = tuple(_read_node(key, value, known, depth) for key, value in known.items())
    edges = [(source, node.id) for node in read for source, _ in node.needs]
    return _Graph(read, arrange({node.id: node.size for node in read}, edges))


def _read_node(key: str, value: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> _Node:
    settings = value.get("settings")
    body = _read(settings.get("body"), depth + 1) if isinstance(settings, Mapping) else None
    needs = value.get("needs")
    ports: dict[str, list[str]] = {}
    for need in [needs] if isinstance(needs, str) else needs if isinstance(needs, list) else ():
        source, _, port = str(need).partition(".")
        if source in known and source != key:
            ports.setdefault(source, []).append(port)
    edges = tuple((source, ", ".join(filter(None, dict.fromkeys(names)))) for source, names in ports.items())
    title = str(value.get("title") or key)
    return _Node(key, str(value.get("kind") or ""), title, edges, body if body and body.nodes else None)


def _draw_level(graph: _Graph, prefix: str, origin: Point, levels: list[Level]) -> None:
    """Append this graph's level, then those of its bodies."""
    titles = {node.id: node.title for node in graph.nodes}
    corners = {
        name: (round(x + origin[0], 1), round(y + origin[1], 1))
        for name, (x, y) in graph.layout.corners.items()
    }
    drawn = tuple(_draw_node(node, prefix, corners[node.id], titles) for node in graph.nodes)
    pairs = [(source, node.id, port) for node in graph.nodes for source, port in node.needs]
    edges = tuple(
        _draw_edge(prefix, *pair, [(x + origin[0], y + origin[1]) for x, y in route])
        for pair, route in zip(pairs, graph.layout.routes, strict=True)
    )
    levels.append(Level(edges, drawn))
    for node in graph.nodes:
        if node.body is not None:
            x, y = corners[node.id]
            left = (node.size.width - node.body.layout.size.width) / 2
            _draw_level(node.body, f"{prefix}{node.id}[].", (x + left, y + GROUP_HEAD), levels)


def _draw_node(node: _Node, prefix: str, corner: Point, titles: Mapping[str, str]) -> DrawnNode:
    size, is_group = node.size, node.body is not None
    spare = int((size.width - NODE.width) / 8) - 4 if is_group else 0
    return DrawnNode(
        node.id,
        prefix + node.id,
        node.kind,
        node.title,
        shorten(node.title, TITLE_COLUMNS + spare),
        *corner,
        size.width,
        size.height,
        is_group,
        tuple(titles[source] for source, _ in node.needs),
    )


def _draw_edge(prefix: str, source: str, target: str, port: str, points: Sequence[Point]) -> DrawnEdge:
    """Return the edge as vertical lines inside rows and one cubic curve between two rows."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    here = points[0]
    for x, y in points[1:]:
        if abs(x - here[0]) < 0.5:
            if abs(y - here[1]) >= 0.5:
                parts.append(f"V{y:.1f}")
        else:
            bend = (y - here[1]) / 2
            parts.append(f"C{here[0]:.1f} {here[1] + bend:.1f} {x:.1f} {y - bend:.1f} {x:.1f} {y:.1f}")
        here = (x, y)
    label_x, label_y = _label_place(points)
    label = shorten(port, LABEL_COLUMNS)
    return DrawnEdge(prefix + source, prefix + target, port, "".join(parts), label, label_x, label_y)


def _label_place(points: Sequence[Point]) -> Point:
    """Return a place on the first curve of an edge, a little nearer to where it goes."""
    start, end = points[1], points[2] if len(points) > 2 else points[-1]
    return round(start[0] + (end[0] - start[0]) * 0.5, 1), round(start[1] + (end[1] - start[1]) * 0.5, 1)


def shorten(text: str, columns: int) -> str:
    """Cut a text to so many columns, with an ellipsis; wide characters count as two."""
    used = 0
    for i, char in enumerate(text):
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > columns:
            return text[: max(1, i - 1)].rstrip() + "…"
    return text
