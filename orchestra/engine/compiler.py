"""Compiles a definition to its plan, or says everything that is wrong with it. Executes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestra.engine.check import Functions, analyse
from orchestra.engine.definition import digest
from orchestra.engine.graph import Graph, Vertex
from orchestra.engine.limits import UNIT_SEGMENTS
from orchestra.engine.names import reads_of, texts_of, walk
from orchestra.engine.nodes import item
from orchestra.engine.plan import ITEM, OUT, UNDO, Edge, Join, Plan, PlanNode, Retry
from orchestra.engine.progress import decides_early
from orchestra.engine.schema import PRIORITIES
from orchestra.engine.segments import find_segments
from orchestra.engine.units import find_units
from orchestra.errors import InvalidWorkflow, Problem


def compile_definition(
    definition: Any,
    *,
    functions: Functions | None = None,
    tools: Functions | None = None,
    unit_size: int = UNIT_SEGMENTS,
) -> Plan:
    """Compile a definition (format 1); equal definitions give equal plans.

    `functions` maps names of registered functions to the JSON Schemas of their arguments, `tools` those of
    the team. `unit_size` is the largest unit, in segments; 1 makes every segment a unit of its own. Raises
    InvalidWorkflow with every problem.
    """
    graph, problems = analyse(definition, functions, tools)
    if problems or graph is None:
        raise InvalidWorkflow(problems=problems)
    plan = _plan(graph, definition.get("defaults", {}), unit_size)
    return replace(
        plan,
        inputs=definition.get("inputs", {}),
        variables=definition.get("variables", {}),
        limits=definition.get("limits", {}),
        digest=digest(definition),
    )


def find_problems(definition: Any, *, functions: Functions | None = None) -> list[Problem]:
    """Return every problem of a definition, whatever value is given; none when it compiles."""
    return analyse(definition, functions)[1]


def _plan(graph: Graph, defaults: Mapping[str, Any], unit_size: int) -> Plan:
    nodes = {name: _node(graph, graph.vertices[name], defaults) for name in graph.order}
    if graph.outer is not None:
        nodes[ITEM] = _item_node(graph, nodes)
    segments = find_segments(nodes)
    where = {name: number for number, segment in enumerate(segments) for name in segment.nodes}
    nodes = {name: replace(node, segment=where[name]) for name, node in nodes.items()}
    return Plan(
        nodes=nodes,
        segments=segments,
        units=find_units(nodes, segments, unit_size),
        output=graph.output,
        output_reads=reads_of(graph, walk(graph.output, "")),
        bodies={
            **{name: _plan(body, defaults, 1) for name, body in graph.bodies.items()},
            **{f"{name}{UNDO}": _plan(body, defaults, 1) for name, body in graph.undos.items()},
        },
    )


def _node(graph: Graph, vertex: Vertex, defaults: Mapping[str, Any]) -> PlanNode:
    raw = vertex.raw
    on_error = raw.get("on_error", "fail")
    timeout = raw.get("timeout", defaults.get("timeout"))
    priority = raw.get("priority")
    return PlanNode(
        id=vertex.id,
        kind=vertex.kind.name,
        title=raw.get("title") or vertex.id,
        queue=raw.get("queue", vertex.kind.queue),
        settings=_settings(vertex),
        when=vertex.when,
        join=vertex.join,
        needs=graph.incoming[vertex.id],
        retry=_retry({**defaults.get("retry", {}), **raw.get("retry", {})}),
        timeout=None if timeout is None else float(timeout),
        on_error=on_error,
        priority=PRIORITIES[priority] if isinstance(priority, str) else priority,
        reads=reads_of(graph, texts_of(vertex)),
        segment=0,
        cache=float(raw.get("cache", 0)),
        effect=raw.get("effect", ""),
    )


def _settings(vertex: Vertex) -> Mapping[str, Any]:
    """Settings without the body: it is compiled, and the plan holds it once."""
    if not vertex.kind.has_body:
        return vertex.settings
    return {name: value for name, value in vertex.settings.items() if name != "body"}


def _retry(raw: Mapping[str, Any]) -> Retry:
    default = Retry()
    return Retry(
        max=int(raw.get("max", default.max)),
        base=float(raw.get("base", default.base)),
        factor=float(raw.get("factor", default.factor)),
        cap=float(raw.get("cap", default.cap)),
        jitter=bool(raw.get("jitter", default.jitter)),
    )


def _item_node(graph: Graph, nodes: Mapping[str, PlanNode]) -> PlanNode:
    return PlanNode(
        id=ITEM,
        kind=item.NAME,
        title="Item",
        queue=item.KIND.queue,
        settings={"value": graph.output},
        when=None,
        join=Join("done"),
        needs=tuple(Edge(name, OUT, ITEM) for name in _last_nodes(nodes)),
        retry=Retry(max=0),
        timeout=None,
        on_error="fail",
        priority=None,
        reads=reads_of(graph, walk(graph.output, "")),
        segment=0,
    )


def _last_nodes(nodes: Mapping[str, PlanNode]) -> Iterator[str]:
    """Nodes that nothing waits for until they end: without successors, or feeding a join that decides early."""
    followed = {edge.source for node in nodes.values() for edge in node.needs}
    early = {edge.source for node in nodes.values() if decides_early(node) for edge in node.needs}
    return (name for name in nodes if name not in followed or name in early)
