"""Fusion of random graphs: segments are linear and cover every node once."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.compiler import compile_definition, find_problems
from tests.engine.graphs import random_definition


@given(st.integers(0, 10_000))
def test_segments_are_linear_and_cover_every_node_once(seed: int) -> None:
    definition = random_definition(Random(seed), size=12, density=0.25)
    if find_problems(definition):
        return

    plan = compile_definition(definition)

    assert sorted(name for segment in plan.segments for name in segment.nodes) == sorted(plan.nodes)
    for number, segment in enumerate(plan.segments):
        assert all(plan.nodes[name].segment == number for name in segment.nodes)
        assert all(plan.nodes[name].kind != "map" for name in segment.nodes[:-1])
        assert {plan.nodes[name].queue for name in segment.nodes} - {"inline"} <= {segment.queue}
        for before, after in zip(segment.nodes, segment.nodes[1:], strict=False):
            assert {edge.target for edge in plan.successors[before]} == {after}
            assert {edge.source for edge in plan.nodes[after].needs} == {before}
