"""The example programs do in the simulator what they say."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.compiler import compile_definition
from orchestra.engine.inputs import complete_input
from orchestra.engine.simulate import Simulated, simulate
from orchestra.tools import functions
from tests.workflows.programs import Program, programs

PROGRAMS = programs()


@pytest.mark.parametrize("unit_size", [1, 4, 32])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_ends_as_it_says(program: Program, unit_size: int) -> None:
    functions.load(["orchestra.tools.builtin"])
    plan = compile_definition(program.definition, functions=functions.schemas(), unit_size=unit_size)

    given = complete_input(plan.inputs, program.input)
    ended = simulate(plan, given, behave=program.behave(), world=program.world_acts)

    assert told(ended, program.expect) == {key: program.expect[key] for key in sorted(program.expect)}


def told(ended: Simulated, expect: dict[str, Any]) -> dict[str, Any]:
    """Return what was expected as it really came, so that a difference shows at a glance."""
    nodes = ended.nodes
    views = {
        "status": lambda _: ended.status.value,
        "output": lambda _: ended.output,
        "error": lambda _: (ended.error or {}).get("code"),
        "nodes": lambda wanted: {path: nodes[path].status.value for path in wanted},
        "outputs": lambda wanted: {path: nodes[path].output for path in wanted},
        "errors": lambda wanted: {path: (nodes[path].error or {}).get("code") for path in wanted},
        "attempts": lambda wanted: {path: nodes[path].attempts for path in wanted},
        "absent": lambda wanted: [path for path in wanted if path not in nodes],
    }
    return {key: views[key](expect[key]) for key in sorted(expect)}
