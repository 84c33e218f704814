"""Expressions may read what exists and has always ended by then."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.compiler import find_problems
from tests.engine.graphs import LLM, definition_of, each, found, llm, message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ inputs.word }}", None),
        ("{{ inputs.wrod }}", "unknown_name"),
        ("{{ inputs }}", None),
        ("{{ vars.tone }}", None),
        ("{{ vars.tune }}", "unknown_name"),
        ("{{ env.anything }}", None),
        ("{{ run.id }}", None),
        ("{{ item }}", "unknown_name"),
        ("{{ loop.index }}", "unknown_name"),
        ("{{ range }}", "unknown_name"),
        ("{{ nodes }}", "unknown_name"),
        ("{{ nodes[inputs.word] }}", "unknown_name"),
        ("{{ nodes.before }}", None),
        ("{{ nodes.before.output.text }}", None),
        ("{{ nodes.before.error.code }}", None),
        ("{{ nodes.before.output.data.score }}", None),
        ("{{ nodes.before.output.score }}", "unknown_output"),
        ("{{ nodes.reader.output }}", "not_before"),
        ("{{ nodes.after.output }}", "not_before"),
        ("{{ nodes.beside.output }}", "not_before"),
        ("{% for x in nodes.before.output.items %}{{ x }}{% endfor %}", "unknown_output"),
    ],
)
def test_names_that_are_read_exist_and_have_a_value_by_then(text: str, code: str | None) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number"}}}
    nodes = {
        "before": {"kind": "llm", "settings": {"prompt": "x", "schema": schema}},
        "beside": LLM,
        "reader": llm(text, needs=["before"]),
        "after": llm(needs=["reader"]),
    }
    inputs = {"type": "object", "properties": {"word": {"type": "string"}}}

    problems = found(nodes, inputs=inputs, variables={"tone": "plain"})

    assert problems == ([("nodes.reader.settings.prompt", code)] if code else [])


def test_a_schema_of_open_inputs_lets_any_name_through() -> None:
    for inputs in (
        {"additionalProperties": True},
        {"anyOf": [{}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {}}},
    ):
        assert found({"a": llm("{{ inputs.anything }}")}, inputs=inputs) == []
    assert found({"a": llm("{{ inputs.anything }}")}) == [("nodes.a.settings.prompt", "unknown_name")]


def test_the_answer_under_data_is_pointed_at() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number"}}}
    nodes = {
        "a": {"kind": "llm", "settings": {"prompt": "x", "schema": schema}},
        "b": llm("{{ nodes.a.output.score }}", needs=["a"]),
    }

    assert "nodes.a.output.data.score" in message(nodes)


def test_output_may_read_every_node_but_no_other() -> None:
    assert found({"a": LLM, "b": LLM}, output="{{ nodes.a.output }}{{ nodes.b.error }}") == []
    assert found({"a": LLM}, output={"x": ["{{ nodes.c.output }}"]}) == [("output.x[0]", "unknown_node")]


def test_bodies_see_what_precedes_their_map_and_nothing_else_outside() -> None:
    body = {
        "x": llm("{{ nodes.before.output.text }} {{ item }} {{ index }}"),
        "y": llm("{{ nodes.beside.output }}"),
    }
    nodes = {
        "before": LLM,
        "beside": LLM,
        "m": each(body, "{{ nodes.x.output }}{{ nodes.m.output }}", needs=["before"]),
    }

    assert found(nodes) == [
        ("nodes.m.settings.body.nodes.y.settings.prompt", "not_before"),
        ("nodes.m.settings.body.output", "not_before"),
    ]


@pytest.mark.parametrize(
    ("join", "read", "is_fine"),
    [
        ("any", "a", True),
        ("any", "b", True),
        ("all", "b", True),
        ("done", "b", True),
        ("first", "a", False),
        ("first", "start", True),
        ({"quorum": 1}, "a", False),
        ({"quorum": 2}, "a", True),
    ],
)
def test_early_joins_do_not_wait_for_all_they_need(join: Any, read: str, is_fine: bool) -> None:
    nodes = {
        "start": LLM,
        "a": llm(needs=["start"]),
        "b": llm(needs=["start"]),
        "end": llm(f"{{{{ nodes.{read}.output }}}}", needs=["a", "b"], join=join),
    }

    assert (found(nodes) == []) is is_fine


@pytest.mark.parametrize(
    ("join", "needs"), [("done", ["every"]), ("any", ["every", "other"]), ("done", ["every", "other"])]
)
def test_a_join_that_gives_up_early_lets_sources_go_on(join: str, needs: list[str]) -> None:
    """`every` is skipped as soon as `gone` is; `slow` may then still run when `end` starts."""
    nodes = {
        "gone": {**LLM, "when": "false"},
        "slow": LLM,
        "other": LLM,
        "every": llm(needs=["gone", "slow"], join="all"),
        "end": llm("{{ nodes.slow.output }}", needs=needs, join=join),
        "fine": llm("{{ nodes.slow.output }}", needs=["every"]),
    }

    (problem,) = find_problems(definition_of(nodes))

    assert (problem.path, problem.code) == ("nodes.end.settings.prompt", "not_before")
    assert "may still run" in problem.message
