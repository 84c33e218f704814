"""Any plan comes back from its JSON as it was."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.codec import plan_from_json, plan_to_json
from orchestra.engine.compiler import compile_definition, find_problems
from tests.engine.graphs import random_definition


@given(st.integers(0, 1_000_000))
def test_a_plan_comes_back_exactly(seed: int) -> None:
    definition = random_definition(Random(seed), size=10, density=0.3)
    if find_problems(definition):
        return
    plan = compile_definition(definition)

    back = plan_from_json(json.loads(json.dumps(plan_to_json(plan))))

    assert back == plan
    assert plan_to_json(back) == plan_to_json(plan)
    assert list(back.nodes) == list(plan.nodes)
