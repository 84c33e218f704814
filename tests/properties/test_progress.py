"""Arrivals in any order make every node ready or skip it, once."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.plan import ERROR, OUT, Plan
from tests.engine.counts import Scope
from tests.engine.graphs import random_definition


@given(st.integers(0, 1_000_000))
def test_the_order_of_arrivals_never_loses_or_repeats_a_node(seed: int) -> None:
    """Nodes run and end in any order, alone or together: each is made ready or skipped exactly once."""
    random = Random(seed)
    definition = random_definition(random, size=12, density=0.3)
    if find_problems(definition):
        return
    run = Scope(compile_definition(definition))
    running = list(run.plan.starts)
    seen = list(running)

    while running:
        random.shuffle(running)
        batch = [running.pop() for _ in range(random.randint(1, len(running)))]
        progress = run.arrive(*((name, _ports(random, run.plan, name)) for name in batch))
        running += progress.ready
        seen += [*progress.ready, *progress.skipped]

    assert sorted(seen) == sorted(run.plan.nodes)
    assert all(count.unsettled == 0 and count.is_decided for count in run.counts.values())


def _ports(random: Random, plan: Plan, name: str) -> tuple[str, ...]:
    own = sorted({edge.port for edge in plan.successors[name]} - {OUT, ERROR})
    return random.choice([(), (ERROR,), (OUT,), (OUT, *own[:1]), (OUT, *own)])
