"""Units: nested parts become canvases, crossings become gates, and nothing waits for more than it needs."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.plan import Plan, Tree
from orchestra.engine.progress import decides_early
from orchestra.engine.simulate import simulate
from tests.engine.graphs import (
    CALL,
    HTTP,
    LLM,
    MAP,
    behave,
    definition_of,
    duration,
    random_definition,
    succeed,
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


@given(st.integers(0, 1_000_000), st.sampled_from([0.1, 0.2, 0.35, 0.5]), st.booleans())
def test_every_node_starts_when_its_last_predecessor_ends(seed: int, density: float, is_plain: bool) -> None:
    """With gates alone and with units of any size, each node starts and ends as in the ideal, whatever happens."""
    random = Random(seed)
    definition = random_definition(random, size=random.randint(1, 14), density=density, is_plain=is_plain)
    if find_problems(definition):
        return
    act = succeed if is_plain else behave
    ideal = simulate(compile_definition(definition), {}, behave=act, duration=duration, by_units=False)

    for size in (1, 4, 32):
        plan = compile_definition(definition, unit_size=size)
        real = simulate(plan, {}, behave=act, duration=duration)

        assert real.nodes == ideal.nodes
        assert (real.status, real.makespan, real.output) == (ideal.status, ideal.makespan, ideal.output)


@given(st.integers(0, 1_000_000), st.sampled_from([0.1, 0.3]))
def test_units_hold_to_their_rules(seed: int, density: float) -> None:
    definition = random_definition(Random(seed), size=14, density=density)
    if find_problems(definition):
        return

    for size in (1, 4, 32):
        plan = compile_definition(definition, unit_size=size)

        assert sorted(number for unit in plan.units for number in unit.segments) == list(
            range(len(plan.segments))
        )
        for unit in plan.units:
            assert len(unit.segments) <= size
            assert sorted(leaves(unit.tree)) == list(unit.segments)
            nodes = [plan.nodes[plan.segments[number].nodes[0]] for number in unit.segments]
            early = [node.id for node in nodes if decides_early(node)]
            assert early in ([], [nodes[0].id])
            has_map = any(
                plan.nodes[plan.segments[number].nodes[-1]].kind == "map" for number in unit.segments
            )
            assert not has_map or len(unit.segments) == 1


def leaves(tree: Tree) -> list[int]:
    return (
        [tree.segment]
        if tree.op == "leaf"
        else [number for child in tree.children for number in leaves(child)]
    )


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
