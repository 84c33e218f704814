"""The compiler on thousands of graphs: nothing starts too early, nothing later than it could, plans stay small.

`make graphs` takes 10,000; the suite takes a few hundred of the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from orchestra.engine.codec import plan_to_json
from orchestra.engine.compiler import compile_definition
from orchestra.engine.limits import UNIT_SEGMENTS
from orchestra.engine.plan import Plan
from orchestra.engine.simulate import simulate
from tests.engine.graphs import succeed
from tests.properties.families import (
    FAMILIES,
    definition_from,
    erdos_renyi,
    ideal_ends,
    lanes,
    layered,
    seconds_of,
)

GRAPHS = int(os.environ.get("ORCHESTRA_GRAPHS", "280"))
BYTES_A_PART = 700
"""A plan's JSON per node and edge, at most."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_node_starts_before_its_sources_end_and_none_later(family: Callable[[Random, int], Any]) -> None:
    for seed in range(GRAPHS // len(FAMILIES)):
        random = Random(seed)
        definition = definition_from(random, family(random, random.randint(2, 60)))
        ends = ideal_ends(definition)
        plan = compile_definition(definition, unit_size=random.choice([1, 4, UNIT_SEGMENTS]))

        ran = simulate(plan, {}, behave=succeed, duration=seconds_of)

        assert {path: node.finished for path, node in ran.nodes.items()} == ends, f"seed {seed}"
        assert ran.makespan == max(ends.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_grows_with_its_graph_and_no_faster(family: Callable[[Random, int], Any]) -> None:
    for size in (50, 400):
        random = Random(size)
        plan = compile_definition(definition_from(random, family(random, size)))

        parts = len(plan.nodes) + sum(len(node.needs) for node in plan.nodes.values())
        assert len(json.dumps(plan_to_json(plan))) <= BYTES_A_PART * parts
        assert named_in_units(plan) <= 3 * parts


def named_in_units(plan: Plan) -> int:
    return sum(len(unit.gate) + len(unit.segments) for unit in plan.units)


@pytest.mark.parametrize("family", [layered, erdos_renyi, lanes])
def test_two_thousand_nodes_are_compiled_with_bounded_work(family: Callable[[Random, int], Any]) -> None:
    small, large = (definition_from(Random(1), sparse(family, size)) for size in (500, 2000))
    started = time.process_time()
    compile_definition(large)
    sys.stdout.write(f"{family.__name__}: 2,000 nodes in {time.process_time() - started:.2f} s of CPU\n")

    calls = [calls_of(lambda d=definition: compile_definition(d)) for definition in (small, large)]

    assert calls[1] < 10 * calls[0], "four times the nodes"


def sparse(family: Callable[[Random, int], Any], size: int) -> Any:
    """Return a graph of this family with at most three sources a node."""
    return [sources[:3] for sources in family(Random(size), size)]


def calls_of(work: Callable[[], Any]) -> int:
    """Count the Python calls that some work makes: its cost, whatever else the machine does."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
