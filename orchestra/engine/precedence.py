"""What the joins of a graph imply: which nodes have always ended when a node runs, and which nodes can never run.

Sets of nodes are bitsets (one int). Terms: a node is *settled* when it ended in any way, skipped included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestra.engine.graph import Graph, Vertex
from orchestra.engine.plan import ERROR, OUT, Edge
from orchestra.engine.report import Report


@dataclass(slots=True)
class Precedence:
    """Per node, in bits of `index`: what has ended when it runs, and when it is settled in any way."""

    index: dict[str, int] = field(default_factory=dict)
    when_run: dict[str, int] = field(default_factory=dict)
    when_settled: dict[str, int] = field(default_factory=dict)
    related: dict[str, int] = field(default_factory=dict)
    """Ancestors by edges, whether or not they have always ended."""

    def always_precedes(self, earlier: str, later: str) -> bool:
        return bool(self.when_run[later] >> self.index[earlier] & 1)

    def is_ancestor(self, earlier: str, later: str) -> bool:
        return bool(self.related[later] >> self.index[earlier] & 1)


def find_precedence(graph: Graph) -> Precedence:
    """Compute the sets for every node in `graph.order`."""
    found = Precedence(index={name: number for number, name in enumerate(graph.order)})
    for name in graph.order:
        edges = [edge for edge in graph.incoming[name] if edge.source in found.index]
        sources = sorted({edge.source for edge in edges})
        ran = [found.when_run[source] | 1 << found.index[source] for source in sources]
        settled = [found.when_settled[source] | 1 << found.index[source] for source in sources]
        found.related[name] = _union(found.related[source] | 1 << found.index[source] for source in sources)
        found.when_run[name] = _when_run(graph.vertices[name], edges, ran, settled)
        found.when_settled[name] = _when_settled(graph.vertices[name], ran, settled)
    return found


def _when_run(vertex: Vertex, edges: list[Edge], ran: list[int], settled: list[int]) -> int:
    if not edges:
        return 0
    match vertex.join.rule:
        case "done":
            return _union(settled)
        case "all":
            return _union(ran)
        case "any":
            return _union(settled) | _intersection(ran)
    need = min(vertex.join.need, len(edges))
    if need >= len(edges):
        return _union(ran)
    missing = len(edges) - need
    return _in_more_than(missing, ran) if len(ran) == len(edges) else _intersection(ran)


def _when_settled(vertex: Vertex, ran: list[int], settled: list[int]) -> int:
    """An early decision, to run or to skip, may come while other sources still run."""
    if not settled:
        return 0
    if vertex.join.rule in {"any", "done"} or len(settled) == 1:
        return _union(settled)
    return _intersection(settled)


def _in_more_than(count: int, sets: list[int]) -> int:
    """Members of more than `count` of the sets, by adding all members' counters at once, bit plane by bit plane."""
    planes: list[int] = []
    for added in sets:
        carry = added
        for place, plane in enumerate(planes):
            planes[place], carry = plane ^ carry, plane & carry
        if carry:
            planes.append(carry)
    more, equal = 0, -1
    for place in range(max(len(planes), count.bit_length()) - 1, -1, -1):
        plane = planes[place] if place < len(planes) else 0
        if count >> place & 1:
            equal &= plane
        else:
            more |= equal & plane
            equal &= ~plane
    return more


def _union(sets: Iterable[int]) -> int:
    result = 0
    for bits in sets:
        result |= bits
    return result


def _intersection(sets: Iterable[int]) -> int:
    result = -1
    for bits in sets:
        result &= bits
    return result


def check_joins(graph: Graph, report: Report) -> None:
    """Report joins without enough edges, and nodes that can never run because ports exclude each other."""
    facts = _Facts(graph)
    implied: dict[str, int] = {}
    for name in graph.order:
        vertex = graph.vertices[name]
        edges = [edge for edge in graph.incoming[name] if edge.source in implied]
        is_sound = _check_join(vertex, edges, report, facts)
        sets = [implied[edge.source] | facts.of(edge) for edge in edges]
        if not sets or not is_sound or vertex.join.rule == "done":
            implied[name] = 0
        elif not _wants_all(vertex, len(edges)):
            implied[name] = _intersection(sets)
        elif facts.is_contradiction(_union(sets), _intersection(sets)):
            _report_never(vertex, edges, report)
            implied[name] = 0
        else:
            implied[name] = _union(sets)


def _wants_all(vertex: Vertex, edges: int) -> bool:
    rule = vertex.join.rule
    return rule == "all" or (rule == "quorum" and vertex.join.need >= edges)


def _check_join(vertex: Vertex, edges: list[Edge], report: Report, facts: _Facts) -> bool:
    """Report a join that its number of edges makes senseless; return whether there was none."""
    rule, path = vertex.join.rule, f"{vertex.path}.join"
    if rule in {"first", "quorum"} and len(vertex.raw.get("needs") or ()) < 2:
        report.add(
            path, "join_needs_edges", f"The join “{rule}” makes sense with at least two edges in `needs`."
        )
        return False
    most = facts.most_live(edges) if rule == "quorum" else 0
    if rule == "quorum" and vertex.join.need > most:
        message = f"A quorum of {vertex.join.need} can never be met: at most {most} of the edges can be live."
        report.add(path, "join_never_met", message)
        return False
    return True


def _report_never(vertex: Vertex, edges: list[Edge], report: Report) -> None:
    needs = ", ".join(f"{edge.source}.{edge.port}" for edge in edges[:8])
    message = (
        f"The join “{vertex.join.rule}” can never be met: ports exclude each other on the way to {needs}."
    )
    report.add(f"{vertex.path}.join", "join_never_met", message)


class _Facts:
    """Facts “this port was taken”, one bit each, and which of them exclude each other."""

    def __init__(self, graph: Graph) -> None:
        used: dict[str, dict[str, None]] = {}
        for edges in graph.incoming.values():
            for edge in edges:
                used.setdefault(edge.source, {})[edge.port] = None
        self._vertices = graph.vertices
        self._bits: dict[tuple[str, str], int] = {}
        self._against: dict[int, int] = {}
        for source, ports in used.items():
            if len(ports) > 1 and source in graph.vertices:
                self._add(graph.vertices[source], list(ports))

    def _add(self, vertex: Vertex, ports: list[str]) -> None:
        for port in ports:
            self._bits[vertex.id, port] = 1 << len(self._bits)
        for port in ports:
            others = (other for other in ports if other != port and _exclude(vertex, port, other))
            self._against[self._bits[vertex.id, port]] = _union(
                self._bits[vertex.id, other] for other in others
            )

    def of(self, edge: Edge) -> int:
        """The fact that an edge is live, where it matters."""
        return self._bits.get((edge.source, edge.port), 0)

    def is_contradiction(self, union: int, common: int) -> bool:
        """Tell whether facts exclude each other; those common to all sources are known not to."""
        apart = union & ~common
        while apart:
            lowest = apart & -apart
            if union & self._against.get(lowest, 0):
                return True
            apart ^= lowest
        return False

    def most_live(self, edges: list[Edge]) -> int:
        """How many of the edges can be live in one run."""
        by_source: dict[str, list[str]] = {}
        for edge in edges:
            by_source.setdefault(edge.source, []).append(edge.port)
        return sum(_most_taken(self._vertices[source], ports) for source, ports in by_source.items())


def _exclude(vertex: Vertex, one: str, other: str) -> bool:
    if ERROR in {one, other}:
        return True
    if OUT in {one, other} or not vertex.is_sound:
        return False
    if vertex.kind.is_exclusive(vertex.settings):
        return True
    last = vertex.kind.ports(vertex.settings)[-1:]
    cases = vertex.kind.ports(vertex.settings)[:-1]
    return (one in last or other in last) and not (one in cases and other in cases)


def _most_taken(vertex: Vertex, ports: list[str]) -> int:
    own = [port for port in ports if port not in {OUT, ERROR}]
    apart = any(_exclude(vertex, one, other) for one in own for other in own if one != other)
    is_single = apart and vertex.is_sound and vertex.kind.is_exclusive(vertex.settings)
    taken = (OUT in ports) + (1 if own and is_single else len(own) - (1 if apart else 0))
    return max(taken, 1 if ERROR in ports else 0)
