"""Units of random graphs: nothing waits for more than it needs."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.plan import Tree
from orchestra.engine.progress import decides_early
from orchestra.engine.simulate import simulate
from tests.engine.graphs import behave, duration, random_definition, succeed


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
