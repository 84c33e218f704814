"""The plan: what the compiler makes of a definition; frozen, versioned JSON, equal for equal definitions.

Vocabulary. A *node id* is a key of one graph. A *scope* is one instance of a graph: `""` is the run's own,
`views[2]` the third item of the map `views`, `views[2].inner[0]` an item inside that item. A *path* names one
node run: scope and node id (`views[2].draft`; at the top just `outline`). A body's plan ends in an implicit node
`ITEM`, whose path is the scope itself (`views[2]`): it settles when the body has settled,
and its output is the item's value. The compensation of a node run `pay` has the scope `pay$undo[0]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

PLAN_FORMAT = 1
ITEM = "$item"
"""Node id of the implicit last node of a map (or loop) body, kind `item`, join `done`."""

UNDO = "$undo"
"""What the key of a compensation's plan in `Plan.bodies` adds to its node's id, and its scope to its node's path."""

OUT = "out"
"""The port a node takes when it succeeds and its kind has no ports of its own."""

ERROR = "error"
"""The port a node takes when it failed and an edge leaves from there."""

INLINE = "inline"
"""The queue of kinds that any worker runs in passing."""

JoinRule = Literal["any", "all", "first", "done", "quorum"]


@dataclass(frozen=True, slots=True)
class Edge:
    """`source.port → target`, all within one graph."""

    source: str
    port: str
    target: str


@dataclass(frozen=True, slots=True)
class Join:
    rule: JoinRule = "any"
    need: int = 1
    """Live edges needed by `quorum` (1 otherwise)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try a transient failure again, in seconds.

    The delay before attempt n+1 is min(cap, base·factorⁿ⁻¹), with full jitter.
    """

    max: int = 3
    base: float = 0.1
    factor: float = 2.0
    cap: float = 30.0
    jitter: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    """A node whose result an expression reads: `level` 0 is the reader's own scope, 1 the one around it, …"""

    level: int
    node: str


@dataclass(frozen=True, slots=True)
class PlanNode:
    id: str
    kind: str
    title: str
    queue: str
    settings: Mapping[str, Any]
    when: str | None
    join: Join
    needs: tuple[Edge, ...]
    retry: Retry
    timeout: float | None
    on_error: Literal["fail", "continue"] | Mapping[str, Any]
    priority: int | None
    reads: tuple[Read, ...]
    """What `settings` and `when` read, sorted."""
    segment: int
    """Index into `Plan.segments`."""
    cache: float = 0.0
    """Seconds for which a result may be reused."""
    effect: Literal["", "once"] = ""
    """`once`: an effect that may have happened is not repeated without asking."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A linear stretch of nodes that one message runs, in order; `queue` is where that message goes."""

    queue: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A nested canvas over segments: a leaf, a series (chain) or a parallel (group)."""

    op: Literal["leaf", "series", "parallel"]
    segment: int = -1
    children: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """One small canvas; `gate` names the node ids whose settling it waits for (empty: starts with the run)."""

    tree: Tree
    gate: tuple[str, ...]
    segments: tuple[int, ...]
    """Every segment in the tree, in topological order; the gate starts the first ones, the canvas the others."""


@dataclass(frozen=True)
class Plan:
    """One graph, compiled.

    `bodies` holds a plan per map node of this graph, by node id, and one per compensation, by node id and `UNDO`.
    """

    nodes: Mapping[str, PlanNode]
    """In topological order."""
    segments: tuple[Segment, ...]
    units: tuple[Unit, ...]
    output: Any
    output_reads: tuple[Read, ...]
    bodies: Mapping[str, Plan] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of the run's input (top level only)."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    format: int = PLAN_FORMAT
    digest: str = ""
    """SHA-256 of the definition's canonical JSON, hex (top level only)."""

    @cached_property
    def successors(self) -> Mapping[str, tuple[Edge, ...]]:
        """Outgoing edges by node id, in the order of the targets."""
        found: dict[str, list[Edge]] = {node: [] for node in self.nodes}
        for node in self.nodes.values():
            for edge in node.needs:
                found[edge.source].append(edge)
        return {node: tuple(edges) for node, edges in found.items()}

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """Nodes without incoming edges."""
        return tuple(node.id for node in self.nodes.values() if not node.needs)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Every kind of node that a run of this plan may meet, bodies included."""
        own = frozenset(node.kind for node in self.nodes.values())
        return own.union(*(body.kinds for body in self.bodies.values()))

    @cached_property
    def undone_nodes(self) -> frozenset[str]:
        """Ids of the nodes that have a compensation, bodies included."""
        own = frozenset(name.removesuffix(UNDO) for name in self.bodies if name.endswith(UNDO))
        return own.union(*(body.undone_nodes for body in self.bodies.values()))

    @property
    def has_undo(self) -> bool:
        """Whether a run of this plan may have something to undo."""
        return bool(self.undone_nodes)

    @cached_property
    def has_effects(self) -> bool:
        """Whether a run of this plan may meet a node with `effect: once`, bodies included."""
        own = any(node.effect for node in self.nodes.values())
        return own or any(body.has_effects for body in self.bodies.values())

    @cached_property
    def handles_errors(self) -> frozenset[str]:
        """Nodes with an edge from their `error` port."""
        return frozenset(e.source for n in self.nodes.values() for e in n.needs if e.port == ERROR)

    @cached_property
    def _units_by_segment(self) -> Mapping[int, int]:
        return {segment: index for index, unit in enumerate(self.units) for segment in unit.segments}

    def unit_of(self, segment: int) -> Unit:
        return self.units[self._units_by_segment[segment]]

    def in_same_unit(self, one: int, other: int) -> bool:
        """Say whether one canvas carries both segments."""
        return self._units_by_segment[one] == self._units_by_segment[other]

    def at(self, scope: str) -> Plan:
        """Return the plan of a scope: itself for `""`, the body's for `views[2]`."""
        plan = self
        for part in scope.split("."):
            if part:
                plan = plan.bodies[part.partition("[")[0]]
        return plan

    def innermost(self, scope: str, kind: str) -> str:
        """Return the innermost scope, this one or one around it, that a node of this kind opened; empty: none."""
        while scope:
            owner, _ = owner_of(scope)
            if not owner.endswith(UNDO) and self.node_at(owner).kind == kind:
                return scope
            scope = outer_scope(scope)
        return ""

    def paths_after(self, path: str) -> list[str]:
        """Return the paths that the end of a node run touches first: its successors, or the map around an item."""
        scope, node = split_path(path)
        if node == ITEM:
            return [owner_of(scope)[0]]
        return [path_of(scope, edge.target) for edge in self.at(scope).successors[node]]

    def node_at(self, path: str) -> PlanNode:
        scope, node = split_path(path)
        return self.at(scope).nodes[node]


def path_of(scope: str, node: str) -> str:
    """Return the path of a node in a scope; the implicit `ITEM` of a scope has the scope's own path."""
    if node == ITEM:
        return scope
    return f"{scope}.{node}" if scope else node


def undo_scope(path: str) -> str:
    """Return the scope in which a node run's compensation runs: `pay$undo[0]` for `pay`."""
    return f"{path}{UNDO}[0]"


def split_path(path: str) -> tuple[str, str]:
    """Return (scope, node id) of a path; `views[2]` itself is `("views[2]", ITEM)`."""
    if path.endswith("]"):
        return path, ITEM
    scope, _, node = path.rpartition(".")
    return scope, node


def outer_scope(scope: str, level: int = 1) -> str:
    """Return the scope `level` steps around this one; the run's own scope is `""`."""
    for _ in range(level):
        scope = scope.rpartition(".")[0]
    return scope


def owner_of(scope: str) -> tuple[str, int]:
    """Return (path of the map or loop node that opened this scope, index of the item)."""
    outer, _, last = scope.rpartition(".")
    name, _, index = last.partition("[")
    return path_of(outer, name), int(index.rstrip("]"))
