"""Plans as JSON and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestra.engine.plan import PLAN_FORMAT, Edge, Join, Plan, PlanNode, Read, Retry, Segment, Tree, Unit


class UnknownPlanFormat(ValueError):
    """The plan was made by another release."""


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain JSON values; `plan_from_json` gives back an equal plan."""
    return {
        "format": plan.format,
        "digest": plan.digest,
        "nodes": [_node_to_json(node) for node in plan.nodes.values()],
        "segments": [{"queue": segment.queue, "nodes": list(segment.nodes)} for segment in plan.segments],
        "units": [
            {"tree": _tree_to_json(unit.tree), "gate": list(unit.gate), "segments": list(unit.segments)}
            for unit in plan.units
        ],
        "output": plan.output,
        "output_reads": _reads_to_json(plan.output_reads),
        "bodies": {name: plan_to_json(body) for name, body in plan.bodies.items()},
        "inputs": plan.inputs,
        "variables": plan.variables,
        "limits": plan.limits,
    }


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """Return the plan of `plan_to_json`. Raises UnknownPlanFormat for a format of another release."""
    if data["format"] != PLAN_FORMAT:
        raise UnknownPlanFormat(f"Plan format {data['format']} is not {PLAN_FORMAT}.")
    nodes = [_node_from_json(node) for node in data["nodes"]]
    return Plan(
        nodes={node.id: node for node in nodes},
        segments=tuple(Segment(segment["queue"], tuple(segment["nodes"])) for segment in data["segments"]),
        units=tuple(
            Unit(_tree_from_json(unit["tree"]), tuple(unit["gate"]), tuple(unit["segments"]))
            for unit in data["units"]
        ),
        output=data["output"],
        output_reads=_reads_from_json(data["output_reads"]),
        bodies={name: plan_from_json(body) for name, body in data["bodies"].items()},
        inputs=data["inputs"],
        variables=data["variables"],
        limits=data["limits"],
        format=data["format"],
        digest=data["digest"],
    )


def _node_to_json(node: PlanNode) -> dict[str, Any]:
    """What is seldom set is left out when it is not, so that plans stay small and older ones can be read."""
    seldom = {"cache": node.cache, "effect": node.effect}
    return {
        "id": node.id,
        "kind": node.kind,
        "title": node.title,
        "queue": node.queue,
        "settings": node.settings,
        "when": node.when,
        "join": {"rule": node.join.rule, "need": node.join.need},
        "needs": [[edge.source, edge.port] for edge in node.needs],
        "retry": asdict(node.retry),
        "timeout": node.timeout,
        "on_error": node.on_error,
        "priority": node.priority,
        "reads": _reads_to_json(node.reads),
        "segment": node.segment,
        **{name: value for name, value in seldom.items() if value},
    }


def _node_from_json(data: Mapping[str, Any]) -> PlanNode:
    return PlanNode(
        id=data["id"],
        kind=data["kind"],
        title=data["title"],
        queue=data["queue"],
        settings=data["settings"],
        when=data["when"],
        join=Join(data["join"]["rule"], data["join"]["need"]),
        needs=tuple(Edge(source, port, data["id"]) for source, port in data["needs"]),
        retry=Retry(**data["retry"]),
        timeout=data["timeout"],
        on_error=data["on_error"],
        priority=data["priority"],
        reads=_reads_from_json(data["reads"]),
        segment=data["segment"],
        cache=data.get("cache", 0.0),
        effect=data.get("effect", ""),
    )


def _reads_to_json(reads: tuple[Read, ...]) -> list[list[Any]]:
    return [[read.level, read.node] for read in reads]


def _reads_from_json(data: list[list[Any]]) -> tuple[Read, ...]:
    return tuple(Read(level, node) for level, node in data)


def _tree_to_json(tree: Tree) -> Any:
    """A leaf is its segment's number, a series or parallel `{op: [children]}`."""
    if tree.op == "leaf":
        return tree.segment
    return {tree.op: [_tree_to_json(child) for child in tree.children]}


def _tree_from_json(data: Any) -> Tree:
    if isinstance(data, int):
        return Tree("leaf", data)
    if "series" in data:
        return Tree("series", children=tuple(_tree_from_json(child) for child in data["series"]))
    return Tree("parallel", children=tuple(_tree_from_json(child) for child in data["parallel"]))
