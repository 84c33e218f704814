"""A plan for people: what is sent as one canvas, what starts it, and how much of it there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestra.engine.plan import OUT, UNDO, Plan, Segment, Tree, Unit

_NAMES = {"series": "chain", "parallel": "group"}


def as_tree(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain JSON: counts, its units as nested trees with their gates, and its bodies likewise.

    A leaf is one task: `{"op": "task", "queue": …, "nodes": [{id, kind, title}]}`; `chain` and `group` have
    `children`. A unit starts when every node in its `gate` has settled, with the run when there is none.
    """
    return {
        "counts": count(plan),
        "units": [{"gate": list(unit.gate), "tree": _tree(plan, unit.tree)} for unit in plan.units],
        "bodies": {name: as_tree(body) for name, body in plan.bodies.items()},
    }


def count(plan: Plan) -> dict[str, int]:
    """Return how many nodes, edges, tasks (messages), units, gates and no-op joins one graph has; bodies apart."""
    return {
        "nodes": len(plan.nodes),
        "edges": sum(len(node.needs) for node in plan.nodes.values()),
        "tasks": len(plan.segments),
        "units": len(plan.units),
        "gates": sum(bool(unit.gate) for unit in plan.units),
        "joins": sum(_joins(unit.tree) for unit in plan.units),
    }


def as_text(plan: Plan) -> str:
    """Return a plan as an indented text, one line per task."""
    return "\n".join(_lines(plan, "Plan"))


def as_dot(plan: Plan) -> str:
    """Return a plan in Graphviz' language: a box per unit, dashed edges where a gate is."""
    lines = ["digraph plan {", "  rankdir=LR;", '  node [shape=box, style="rounded", fontname="sans-serif"];']
    lines += _dot_lines(plan, "")
    return "\n".join([*lines, "}"])


def _tree(plan: Plan, tree: Tree) -> dict[str, Any]:
    if tree.op != "leaf":
        return {"op": _NAMES[tree.op], "children": [_tree(plan, child) for child in tree.children]}
    segment = plan.segments[tree.segment]
    nodes = [plan.nodes[name] for name in segment.nodes]
    return {
        "op": "task",
        "queue": segment.queue,
        "nodes": [{"id": node.id, "kind": node.kind, "title": node.title} for node in nodes],
    }


def _joins(tree: Tree) -> int:
    """No-op tasks that the canvas needs: between two groups, and after a member of a group that ends in a group."""
    own = 0
    if tree.op == "series":
        pairs = zip(tree.children, tree.children[1:], strict=False)
        own = sum(left.op == "parallel" == right.op for left, right in pairs)
    elif tree.op == "parallel":
        own = sum(_ends_in_group(child) for child in tree.children)
    return own + sum(_joins(child) for child in tree.children)


def _ends_in_group(tree: Tree) -> bool:
    return tree.op == "parallel" or (tree.op == "series" and _ends_in_group(tree.children[-1]))


def _lines(plan: Plan, title: str) -> Iterator[str]:
    yield f"{title}: {_summary(count(plan))}"
    for number, unit in enumerate(plan.units, 1):
        yield f"  unit {number}, {_start(unit)}"
        yield from _tree_lines(plan, unit.tree, "    ")
    for name, body in plan.bodies.items():
        yield ""
        is_undo = name.endswith(UNDO)
        title = f"Compensation of {name.removesuffix(UNDO)}" if is_undo else f"Body of {name}, once per item"
        yield from _lines(body, title)


def _summary(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name if number != 1 else name[:-1]}" for name, number in counts.items())


def _start(unit: Unit) -> str:
    return f"when settled: {', '.join(unit.gate)}" if unit.gate else "starts with the run"


def _tree_lines(plan: Plan, tree: Tree, indent: str) -> Iterator[str]:
    if tree.op == "leaf":
        yield f"{indent}{_task(plan, plan.segments[tree.segment])}"
        return
    yield f"{indent}{_NAMES[tree.op]}"
    for child in tree.children:
        yield from _tree_lines(plan, child, indent + "  ")


def _task(plan: Plan, segment: Segment) -> str:
    nodes = (f"{name} ({plan.nodes[name].kind})" for name in segment.nodes)
    return f"{segment.queue}: {' → '.join(nodes)}"


def _dot_lines(plan: Plan, prefix: str) -> Iterator[str]:
    units = {
        name: unit for unit in plan.units for number in unit.segments for name in plan.segments[number].nodes
    }
    for number, unit in enumerate(plan.units):
        yield f'  subgraph "cluster_{prefix}{number}" {{ color=gray;'
        for segment in unit.segments:
            for name in plan.segments[segment].nodes:
                node = plan.nodes[name]
                yield f"    {_quoted(prefix + name)} [label={_quoted(f'{node.title} ({node.kind})')}];"
        yield "  }"
    for node in plan.nodes.values():
        for edge in node.needs:
            label = [] if edge.port == OUT else [f"label={_quoted(edge.port)}"]
            style = [] if units[edge.source] is units[edge.target] else ["style=dashed"]
            ends = f"{_quoted(prefix + edge.source)} -> {_quoted(prefix + edge.target)}"
            yield f"  {ends} [{', '.join(label + style)}];"
    for name, body in plan.bodies.items():
        yield from _dot_lines(body, f"{prefix}{name}.")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
