"""What the compiler proves about order is true in every run."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.check import analyse
from orchestra.engine.compiler import compile_definition
from orchestra.engine.precedence import find_precedence
from orchestra.engine.simulate import simulate
from orchestra.engine.status import FINAL_NODE, NodeStatus
from tests.engine.graphs import behave, duration, random_definition


@given(st.integers(0, 1_000_000), st.sampled_from([0.2, 0.4]))
def test_what_always_precedes_has_ended_when_a_node_runs(seed: int, density: float) -> None:
    definition = random_definition(Random(seed), size=12, density=density)
    graph, problems = analyse(definition)
    if problems or graph is None:
        return
    order = find_precedence(graph)

    ended = simulate(compile_definition(definition), {}, behave=behave, duration=duration)

    for name in graph.order:
        run = ended.nodes[name]
        for earlier in graph.order:
            if order.always_precedes(earlier, name) and run.status != NodeStatus.SKIPPED:
                before = ended.nodes[earlier]
                assert before.status in FINAL_NODE
                assert before.finished is not None
                assert run.started is not None
                assert before.finished <= run.started


def test_bit_planes_count_members() -> None:
    from orchestra.engine.precedence import _in_more_than

    sets = [0b0111, 0b0011, 0b0001, 0b1001]

    assert [_in_more_than(count, sets) for count in range(5)] == [0b1111, 0b0011, 0b0001, 0b0001, 0]
