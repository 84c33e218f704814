"""Reads the nodes and edges of one graph out of a definition, tolerating every mistake so that all can be reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

from jsonschema import Draft202012Validator

from orchestra.engine.limits import BODY_DEPTH
from orchestra.engine.nodes import KINDS, Kind
from orchestra.engine.plan import ERROR, OUT, Edge, Join
from orchestra.engine.report import Report
from orchestra.engine.schemas import find_value_problems, prepared

_CYCLE_NAMES = 20
_checkers: dict[int, tuple[Kind, Draft202012Validator]] = {}
"""By identity of the kind, which is kept so that no other can have it."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """One node of a definition; `is_sound` says that its settings fit the kind's schema."""

    id: str
    path: str
    raw: Mapping[str, Any]
    kind: Kind
    settings: Mapping[str, Any]
    is_sound: bool
    join: Join
    when: str | None

    @property
    def ports(self) -> tuple[str, ...]:
        """Ports an edge may leave from; unsound settings have only those of every node."""
        return self.kind.all_ports(self.settings) if self.is_sound else (OUT, ERROR)


@dataclass(slots=True)
class Graph:
    """The runnable nodes of the top level or of a body; `order` is topological and leaves out what is on a cycle."""

    path: str
    vertices: dict[str, Vertex]
    outer: Graph | None = None
    owner: str = ""
    """Node id, in `outer`, of the node whose body this is."""
    output: Any = None
    alias: str = ""
    """Where the settings of the only node stand in the definition, when nobody wrote this body."""
    notes: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    """Ids of nodes whose kind is unknown or not available: nothing is said about who refers to them."""
    incoming: dict[str, tuple[Edge, ...]] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    has_cycle: bool = False
    bodies: dict[str, Graph] = field(default_factory=dict)
    undos: dict[str, Graph] = field(default_factory=dict)
    """Compensations, by the node that they undo."""
    is_undo: bool = False
    """This is the compensation of `owner`."""

    @property
    def inner(self) -> tuple[Graph, ...]:
        return (*self.bodies.values(), *self.undos.values())

    @property
    def is_undoing(self) -> bool:
        """Whether this is a compensation or a body in one."""
        return self.is_undo or (self.outer is not None and self.outer.is_undoing)

    def node_path(self, node: str) -> str:
        return self.alias or f"{self.path}nodes.{node}"


def read_graph(
    raw: Mapping[str, Any],
    report: Report,
    *,
    path: str = "",
    outer: Graph | None = None,
    owner: str = "",
    is_undo: bool = False,
    alias: str = "",
) -> Graph:
    """Return the graph of a definition or body, bodies included; what is wrong goes to the report."""
    nodes = raw.get("nodes")
    entries = nodes if isinstance(nodes, Mapping) else {}
    graph = Graph(path, {}, outer, owner, output=raw.get("output"), is_undo=is_undo, alias=alias)
    notes: set[str] = set()
    broken: set[str] = set()
    for name in sorted(entries):
        vertex = _read_vertex(graph, name, entries[name], report)
        if vertex is None:
            broken.add(name)
        elif vertex.kind.runs:
            graph.vertices[name] = vertex
        else:
            notes.add(name)
    graph.notes, graph.broken = frozenset(notes), frozenset(broken)
    if entries and not graph.vertices and not broken:
        report.add(f"{path}nodes", "empty", "There is no node here that runs.")
    for name in sorted(broken):
        _check_needs_of_broken(graph, name, entries[name], report)
    for vertex in graph.vertices.values():
        graph.incoming[vertex.id] = tuple(_read_edges(graph, vertex, report))
    _sort(graph, report)
    _read_bodies(graph, report)
    _read_undos(graph, report)
    return graph


def depth_of(graph: Graph) -> int:
    """Return how many bodies are around a graph."""
    depth = 0
    while graph.outer is not None:
        graph, depth = graph.outer, depth + 1
    return depth


def _read_vertex(graph: Graph, name: str, raw: Any, report: Report) -> Vertex | None:
    path = graph.node_path(name)
    if not isinstance(raw, Mapping) or not isinstance(raw.get("kind"), str):
        return None
    kind = KINDS.get(raw["kind"])
    if kind is None:
        message = f"There is no kind “{raw['kind'][:80]}”."
        report.unknown(f"{path}.kind", "unknown_kind", message, raw["kind"], KINDS)
        return None
    if not kind.is_available:
        message = f"Nodes of the kind “{kind.name}” are not available yet."
        report.add(f"{path}.kind", "kind_not_available", message)
        return None
    _check_care(path, raw, kind, report)
    settings = raw.get("settings", {})
    is_sound = isinstance(settings, Mapping) and _check_settings(kind, settings, f"{path}.settings", report)
    return Vertex(
        id=name,
        path=path,
        raw=raw,
        kind=kind,
        settings=settings if isinstance(settings, Mapping) else {},
        is_sound=is_sound,
        join=_read_join(raw.get("join", "any")),
        when=_read_condition(raw.get("when")),
    )


def _check_care(path: str, raw: Mapping[str, Any], kind: Kind, report: Report) -> None:
    if raw.get("cache") and not kind.works:
        message = f"Results of the kind “{kind.name}” cannot be cached: only of kinds that work in one go."
        report.add(f"{path}.cache", "bad_value", message)
    if raw.get("effect") and not kind.acts:
        acting = ", ".join(name for name, known in KINDS.items() if known.acts)
        message = f"The kind “{kind.name}” has no effect of its own to repeat; these have: {acting}."
        report.add(f"{path}.effect", "bad_value", message)
    elif raw.get("effect") and raw.get("cache"):
        message = "An effect that has to happen cannot be taken from the cache: leave out one of the two."
        report.add(f"{path}.cache", "bad_value", message)


def _check_settings(kind: Kind, settings: Mapping[str, Any], path: str, report: Report) -> bool:
    late = [name for name in kind.late if name in settings]
    for name in late:
        message = f"“{name}” of the kind “{kind.name}” is not available yet."
        report.add(f"{path}.{name}", "not_available_yet", message)
    rest = {name: value for name, value in settings.items() if name not in late}
    found = [] if late and kind.has_body else find_value_problems(_checker(kind), rest, path)
    report.extend(found)
    if found or late:
        return False
    report.extend(kind.find_problems(settings, path))
    return True


def _checker(kind: Kind) -> Draft202012Validator:
    if id(kind) not in _checkers:
        _checkers[id(kind)] = (kind, prepared(kind.schema))
    return _checkers[id(kind)][1]


def _read_join(raw: Any) -> Join:
    if isinstance(raw, str) and raw in {"any", "all", "first", "done"}:
        return Join(raw)  # type: ignore[arg-type]  # the line above narrows it, mypy does not see it
    if isinstance(raw, Mapping) and isinstance(raw.get("quorum"), int) and raw["quorum"] >= 1:
        return Join("quorum", int(raw["quorum"]))
    return Join()


def _read_condition(raw: Any) -> str | None:
    if isinstance(raw, bool):
        return None if raw else "false"
    return raw if isinstance(raw, str) else None


def _read_edges(graph: Graph, vertex: Vertex, report: Report) -> Iterator[Edge]:
    needs = vertex.raw.get("needs", ())
    seen: set[str] = set()
    for index, need in enumerate(needs if isinstance(needs, list) else ()):
        if not isinstance(need, str):
            continue
        path = f"{vertex.path}.needs[{index}]"
        source, _, port = need.partition(".")
        edge = Edge(source, port or OUT, vertex.id)
        if edge.port + "." + source in seen:
            report.add(path, "duplicate_edge", f"“{need}” is already needed.")
        elif _is_edge(graph, vertex, edge, path, report):
            seen.add(edge.port + "." + source)
            yield edge


def _is_edge(graph: Graph, vertex: Vertex, edge: Edge, path: str, report: Report) -> bool:
    name = edge.source
    if name == vertex.id:
        report.add(path, "self_edge", "A node cannot need itself.")
    elif name in graph.notes:
        report.add(path, "unknown_node", f"“{name}” is a note: nothing can need it.")
    elif name in graph.vertices:
        ports = graph.vertices[name].ports
        if edge.port in ports or not graph.vertices[name].is_sound:
            return edge.port in ports
        message = f"“{name}” has no port “{edge.port}”; it has {', '.join(ports)}."
        report.unknown(path, "unknown_port", message, edge.port, ports)
    elif name not in graph.broken:
        _report_unknown_node(graph, name, path, report)
    return False


def _check_needs_of_broken(graph: Graph, name: str, raw: Any, report: Report) -> None:
    """Report what a node of an unknown kind needs and does not exist: it is wrong whatever the kind will be."""
    needs = raw.get("needs") if isinstance(raw, Mapping) else None
    for index, need in enumerate(needs if isinstance(needs, list) else ()):
        source = need.partition(".")[0] if isinstance(need, str) else name
        path = f"{graph.node_path(name)}.needs[{index}]"
        if source not in graph.vertices and source not in graph.broken and source not in graph.notes:
            _report_unknown_node(graph, source, path, report)


def _report_unknown_node(graph: Graph, name: str, path: str, report: Report) -> None:
    outer = graph.outer
    while outer is not None and name not in outer.vertices:
        outer = outer.outer
    if outer is not None:
        message = f"“{name}” is outside this body: it has always ended when the body starts, so leave it out."
        report.add(path, "unknown_node", message)
    else:
        report.unknown(path, "unknown_node", f"There is no node “{name[:80]}” here.", name, graph.vertices)


def _sort(graph: Graph, report: Report) -> None:
    """Set `order`: Kahn's algorithm, ties by id; every cycle found is reported and cut out."""
    following: dict[str, list[str]] = {name: [] for name in graph.vertices}
    waiting: dict[str, set[str]] = {}
    for name, edges in graph.incoming.items():
        waiting[name] = {edge.source for edge in edges}
        for source in waiting[name]:
            following[source].append(name)
    order: list[str] = []
    ready = [name for name, sources in waiting.items() if not sources]
    heapify(ready)
    while waiting:
        while ready:
            name = heappop(ready)
            del waiting[name]
            order.append(name)
            _release(name, following, waiting, ready)
        if waiting:
            _cut_cycle(graph, following, waiting, ready, report)
    graph.order = tuple(order)


def _release(
    name: str, following: dict[str, list[str]], waiting: dict[str, set[str]], ready: list[str]
) -> None:
    for target in following[name]:
        if target in waiting:
            waiting[target].discard(name)
            if not waiting[target]:
                heappush(ready, target)


def _cut_cycle(
    graph: Graph,
    following: dict[str, list[str]],
    waiting: dict[str, set[str]],
    ready: list[str],
    report: Report,
) -> None:
    """Find one cycle among the nodes that still wait, report it, and take its nodes out."""
    graph.has_cycle = True
    seen: dict[str, int] = {}
    trail: list[str] = []
    name = min(waiting)
    while name not in seen:
        seen[name] = len(trail)
        trail.append(name)
        name = min(waiting[name])
    cycle = trail[seen[name] :][::-1]
    start = cycle.index(min(cycle))
    cycle = cycle[start:] + cycle[:start]
    shown = cycle[:_CYCLE_NAMES] + (["…"] if len(cycle) > _CYCLE_NAMES else [])
    message = f"These nodes wait for each other: {' → '.join([*shown, cycle[0]])}."
    report.add(f"{graph.node_path(cycle[0])}.needs", "cycle", message)
    for member in cycle:
        del waiting[member]
    for member in cycle:
        _release(member, following, waiting, ready)


def _read_bodies(graph: Graph, report: Report) -> None:
    for vertex in graph.vertices.values():
        if not vertex.kind.has_body:
            continue
        body = vertex.kind.body_of(vertex.settings)
        path = f"{vertex.path}.settings.body"
        if not isinstance(body, Mapping):
            continue
        if depth_of(graph) >= BODY_DEPTH:
            report.add(path, "too_deep", f"Bodies may be nested {BODY_DEPTH} deep at most.")
            continue
        alias = "" if "body" in vertex.settings else vertex.path
        graph.bodies[vertex.id] = read_graph(
            body, report, path=f"{path}.", outer=graph, owner=vertex.id, alias=alias
        )


def _read_undos(graph: Graph, report: Report) -> None:
    for vertex in graph.vertices.values():
        raw = vertex.raw.get("compensate")
        path = f"{vertex.path}.compensate"
        if not isinstance(raw, Mapping):
            continue
        if graph.is_undoing:
            report.add(path, "bad_value", "What undoes something cannot be undone itself.")
        elif depth_of(graph) >= BODY_DEPTH:
            report.add(path, "too_deep", f"Bodies may be nested {BODY_DEPTH} deep at most.")
        else:
            graph.undos[vertex.id] = read_graph(
                raw, report, path=f"{path}.", outer=graph, owner=vertex.id, is_undo=True
            )
