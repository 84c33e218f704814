"""Plans as JSON and back; golden plans, which change only on purpose.

With ENGINE_WRITE_GOLDEN=1 the golden files are written anew: read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestra.engine.codec import UnknownPlanFormat, plan_from_json, plan_to_json
from orchestra.engine.compiler import compile_definition
from tests.engine.graphs import LLM, definition_of
from tests.workflows.programs import Program, programs

GOLDEN = Path(__file__).parent / "golden"
CHOSEN = ("sample_brief", "crossing", "nested_maps", "joins", "many_branch", "retries")
PROGRAMS = [program for program in programs() if program.name in CHOSEN]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_plan_is_what_it_was(program: Program) -> None:
    path = GOLDEN / f"{program.name}.json"
    plan = compile_definition(program.definition)
    text = json.dumps(plan_to_json(plan), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("ENGINE_WRITE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")

    kept = path.read_text(encoding="utf-8")

    assert text == kept
    assert plan_from_json(json.loads(kept)) == plan


def test_every_golden_plan_has_its_program() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(CHOSEN)


def test_every_field_of_a_node_comes_back() -> None:
    node = {
        **LLM,
        "title": "A title",
        "when": "vars.x",
        "queue": "io",
        "priority": "critical",
        "timeout": 7,
        "retry": {"max": 1, "base": 2, "factor": 3, "cap": 4, "jitter": False},
        "on_error": {"output": {"a": None}},
    }
    nodes = {"a": node, "b": {**LLM, "needs": ["a", "a.error"], "join": {"quorum": 1}}}
    plan = compile_definition(
        definition_of(nodes, variables={"x": 1}, output=["{{ nodes.a.output }}"], limits={"cost": 1})
    )

    back = plan_from_json(json.loads(json.dumps(plan_to_json(plan))))

    assert back == plan
    assert back.nodes["a"].priority == 3
    assert back.nodes["a"].on_error == {"output": {"a": None}}
    assert back.nodes["b"].join.need == 1


def test_a_plan_of_another_release_is_not_guessed_at() -> None:
    data = plan_to_json(compile_definition(definition_of({"a": LLM})))

    with pytest.raises(UnknownPlanFormat):
        plan_from_json({**data, "format": 2})
