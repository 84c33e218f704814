"""Units: nested parts become canvases, crossings become gates, and nothing waits for more than it needs."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.compiler import compile_definition
from orchestra.engine.plan import Plan, Tree
from tests.engine.graphs import (
    CALL,
    HTTP,
    LLM,
    MAP,
    definition_of,
)

TURNS = (LLM, HTTP, CALL)


def plan_of(edges: str, unit_size: int = 32, **nodes: dict[str, Any]) -> Plan:
    """`a>b a>c`: a graph whose neighbours are of different queues, so that every node is its own segment."""
    needs: dict[str, list[str]] = {}
    for edge in edges.split():
        source, _, target = edge.partition(">")
        needs.setdefault(source, [])
        if target:
            needs.setdefault(target, []).append(source)

    def level(name: str) -> int:
        return max((level(source) + 1 for source in needs[name]), default=0)

    graph = {name: {**TURNS[level(name) % 3], "needs": needs[name], **nodes.get(name, {})} for name in needs}
    return compile_definition(definition_of(graph), unit_size=unit_size)


def units(plan: Plan) -> list[str]:
    """`gate: tree` of each unit; series in brackets, parallel in braces."""
    return [f"{' '.join(unit.gate)}: {text(plan, unit.tree)}".lstrip(": ") for unit in plan.units]


def text(plan: Plan, tree: Tree) -> str:
    if tree.op == "leaf":
        return "+".join(plan.segments[tree.segment].nodes)
    inner = " ".join(text(plan, child) for child in tree.children)
    return f"[{inner}]" if tree.op == "series" else f"{{{inner}}}"


def test_a_diamond_is_one_canvas() -> None:
    assert units(plan_of("a>b a>c b>d c>d")) == ["[a {b c} d]"]


def test_nested_diamonds_are_one_canvas() -> None:
    assert units(plan_of("a>b a>c b>d b>e d>f e>f f>g c>g g>h")) == ["[a {[b {d e} f] c} g h]"]


def test_an_edge_that_says_nothing_new_changes_nothing() -> None:
    assert units(plan_of("a>b b>c a>c")) == ["[a b c]"]


def test_an_n_shape_has_one_gate_for_what_needs_both() -> None:
    r"""a   b
    |\  |
    c \ d  with a → d: c hangs on a, d has a gate."""
    assert units(plan_of("a>c a>d b>d")) == ["[a c]", "b", "a b: d"]


def test_nested_parts_around_a_knot_stay_canvases() -> None:
    plan = plan_of("a>c a>d b>d d>e d>f e>g f>g")

    assert units(plan) == ["[a c]", "b", "a b: [d {e f} g]"]


def test_complete_crossings_between_groups_need_no_gates() -> None:
    assert units(plan_of("a>c a>d b>c b>d")) == ["[{a b} {c d}]"]


def test_a_map_is_alone_and_what_follows_has_a_gate() -> None:
    assert units(plan_of("a>m m>b b>c", m=MAP)) == ["a+m", "m: [b c]"]


@pytest.mark.parametrize("join", ["first", "all", {"quorum": 1}])
def test_a_join_that_decides_early_starts_its_unit(join: Any) -> None:
    plan = plan_of("a>c b>c c>d", c={"join": join})

    assert units(plan) == ["a", "b", "a b: [c d]"]


def test_unit_size_one_makes_every_segment_a_unit() -> None:
    assert units(plan_of("a>b a>c b>d c>d a>d", unit_size=1)) == ["a", "a: b", "a: c", "b c: d"]


def test_units_are_cut_at_their_size() -> None:
    plan = plan_of("a>b b>c c>d d>e e>f f>g", unit_size=3)

    assert units(plan) == ["[a b c]", "c: [d e f]", "f: g"]


def test_bodies_are_not_cut_into_canvases() -> None:
    plan = compile_definition(definition_of({"m": MAP}))

    assert all(unit.tree.op == "leaf" for unit in plan.bodies["m"].units)


def test_a_plan_is_linear_in_its_graph() -> None:
    """40 × 40 crossings three times over: the plan names each edge a bounded number of times."""
    nodes = {
        f"n{layer}_{place}": {
            **TURNS[layer % 3],
            "needs": [f"n{layer - 1}_{other}" for other in range(20)] if layer else [],
        }
        for layer in range(6)
        for place in range(20)
    }
    plan = compile_definition(definition_of(nodes))

    edges = sum(len(node.needs) for node in plan.nodes.values())
    assert sum(len(unit.gate) + len(unit.segments) for unit in plan.units) <= edges + len(plan.segments)
