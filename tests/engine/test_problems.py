"""The compiler says everything that is wrong at once, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.errors import InvalidWorkflow
from tests.engine.graphs import (
    BRANCH,
    LLM,
    SHAPE,
    approval,
    branch,
    definition_of,
    each,
    found,
    llm,
    loop,
    message,
    wait,
)


def test_every_problem_is_reported_at_once() -> None:
    definition = {
        "orchestra": 2,
        "nodes": {
            "a": llm("{{ nodes.b.output }}", needs=["zzz"], timeout="soon"),
            "b": {"kind": "llmm"},
            "c": {"kind": "http", "settings": {}},
            "d": {"kind": "workflow", "settings": {}},
            "loop": llm(needs=["loop"]),
        },
    }

    with pytest.raises(InvalidWorkflow) as caught:
        compile_definition(definition)

    codes = {(problem.path, problem.code) for problem in caught.value.problems}
    assert codes == {
        ("orchestra", "bad_value"),
        ("nodes.a.timeout", "bad_type"),
        ("nodes.a.needs[0]", "unknown_node"),
        ("nodes.b.kind", "unknown_kind"),
        ("nodes.c.settings.url", "missing"),
        ("nodes.d.settings.workflow", "missing"),
        ("nodes.loop.needs[0]", "self_edge"),
    }


@pytest.mark.parametrize(
    ("nodes", "problems"),
    [
        ({}, [("nodes", "bad_value")]),
        ({"A": LLM}, [("nodes", "bad_id")]),
        ({"a": {}}, [("nodes.a.kind", "missing")]),
        ({"a": 1}, [("nodes.a", "bad_type")]),
        ({"a": {**LLM, "need": []}}, [("nodes.a.need", "unknown_field")]),
        (
            {"a": {"kind": "llm", "settings": {"promt": "x"}}},
            [("nodes.a.settings.promt", "unknown_field"), ("nodes.a.settings", "bad_value")],
        ),
        ({"a": {**LLM, "cache": 60}}, []),
        ({"a": {**LLM, "cache": -1}}, [("nodes.a.cache", "bad_value")]),
        (
            {"a": {"kind": "transform", "settings": {"value": 1}, "cache": 60}},
            [("nodes.a.cache", "bad_value")],
        ),
        ({"a": {**LLM, "cache": 0}}, []),
        (
            {"a": {**LLM, "compensate": {"kind": "llm"}}},
            [("nodes.a.compensate.nodes", "missing"), ("nodes.a.compensate.kind", "unknown_field")],
        ),
        ({"a": {"kind": "map", "settings": {"items": [], "workflow": "x"}}}, []),
        (
            {"a": {"kind": "map", "settings": {"items": [], "workflow": "x", "input": {"n": "{{ itm }}"}}}},
            [("nodes.a.settings.input.n", "unknown_name")],
        ),
        ({"a": {"kind": "map", "settings": {"items": []}}}, [("nodes.a.settings", "bad_value")]),
        (
            {"a": {"kind": "map", "settings": {"items": [], "workflow": "Not a slug"}}},
            [("nodes.a.settings.workflow", "bad_value")],
        ),
        (
            {"a": {"kind": "workflow", "settings": {"workflow": "x", "input": [1]}}},
            [("nodes.a.settings.input", "bad_value")],
        ),
        ({"a": {"kind": "workflow", "settings": {"workflow": "x", "input": "{{ vars }}"}}}, []),
        (
            {"a": {"kind": "http", "settings": {"url": "https://a.example", "connection": "c"}}},
            [("nodes.a.settings.connection", "not_available_yet")],
        ),
        ({"a": approval(title="Yes?"), "b": {**LLM, "needs": ["a.approved", "a.expired"]}}, []),
        ({"a": approval()}, [("nodes.a.settings.title", "missing")]),
        ({"a": approval(title="x", on_expiry="rejected")}, [("nodes.a.settings.on_expiry", "bad_value")]),
        ({"a": approval(title="x", form={"type": "array"})}, [("nodes.a.settings.form", "bad_schema")]),
        ({"a": approval(title="x", assignees=["group:x"])}, [("nodes.a.settings.assignees[0]", "bad_value")]),
        (
            {"a": approval(title="x", assignees=["ada", "user:ada"], quorum=2)},
            [("nodes.a.settings.quorum", "bad_value")],
        ),
        ({"a": approval(title="x", assignees=["ada", "team:editors"], quorum=2)}, []),
        ({"a": loop("{{ loop.value }}", until="loop.value > 3")}, []),
        ({"a": loop("{{ loop.valu }}", until="true")}, [("nodes.a.settings.body.output", "unknown_name")]),
        ({"a": loop(1, until="loop.value", max=None)}, [("nodes.a.settings.max", "bad_type")]),
        ({"a": loop(1, until="loop.value", max=1001)}, [("nodes.a.settings.max", "bad_value")]),
        ({"a": loop(1)}, [("nodes.a.settings", "bad_value")]),
        ({"a": loop(1, until="true", **{"while": "true"})}, [("nodes.a.settings", "bad_value")]),
        ({"a": loop(1, until="item")}, [("nodes.a.settings.until", "unknown_name")]),
        (
            {"a": loop(1, until="true", state="{{ loop.value }}")},
            [("nodes.a.settings.state", "unknown_name")],
        ),
        ({"a": loop("{{ item }}", until="true")}, [("nodes.a.settings.body.output", "unknown_name")]),
        ({"a": llm("{{ loop.value }}")}, [("nodes.a.settings.prompt", "unknown_name")]),
        ({"a": each({"b": loop("{{ item }}{{ loop.value }}", until="item")})}, []),
        ({"a": wait(seconds=5)}, []),
        ({"a": wait(until="2026-03-01T09:00:00+01:00"), "b": {**LLM, "needs": ["a.done"]}}, []),
        ({"a": wait(signal="go", expires=60), "b": {**LLM, "needs": ["a.expired"]}}, []),
        ({"a": wait()}, [("nodes.a.settings", "bad_value")]),
        ({"a": wait(seconds=5, signal="go")}, [("nodes.a.settings", "bad_value")]),
        ({"a": wait(seconds=5, expires=5)}, [("nodes.a.settings.expires", "bad_value")]),
        ({"a": wait(until="2026-03-01T09:00:00")}, [("nodes.a.settings.until", "bad_value")]),
        ({"a": wait(signal="two words")}, [("nodes.a.settings.signal", "bad_value")]),
        ({"a": wait(seconds=-1)}, [("nodes.a.settings.seconds", "bad_value")]),
        (
            {"a": wait(seconds=5), "b": {**LLM, "needs": ["a.expired"]}},
            [("nodes.b.needs[0]", "unknown_port")],
        ),
        ({"a": LLM, "b": {**LLM, "needs": ["a", "a.out"]}}, [("nodes.b.needs[1]", "duplicate_edge")]),
        ({"a": LLM, "b": {**LLM, "needs": ["a.done"]}}, [("nodes.b.needs[0]", "unknown_port")]),
        ({"a": LLM, "b": {**LLM, "needs": ["a.error"]}}, []),
        (
            {"a": BRANCH, "b": {**LLM, "needs": ["a.left", "a.else"]}},
            [("nodes.a.settings.cases[0].when", "unknown_name")],
        ),
        ({"a": {"kind": "note"}, "b": {**LLM, "needs": ["a"]}}, [("nodes.b.needs[0]", "unknown_node")]),
        ({"a": {"kind": "note"}}, [("nodes", "empty")]),
        ({"a": llm("{{ 1 + }}")}, [("nodes.a.settings.prompt", "bad_expression")]),
        ({"a": llm("{% set x = 1 %}")}, [("nodes.a.settings.prompt", "bad_expression")]),
        ({"a": llm(when="f()")}, [("nodes.a.when", "bad_expression")]),
        (
            {"a": {**LLM, "on_error": {"output": "{{ 1 + }}"}}},
            [("nodes.a.on_error.output", "bad_expression")],
        ),
        ({"a": branch("left", "left")}, [("nodes.a.settings.cases[1].name", "duplicate_port")]),
        ({"a": branch("out")}, [("nodes.a.settings.cases[0].name", "bad_value")]),
        ({"a": branch("error")}, [("nodes.a.settings.cases[0].name", "bad_value")]),
        (
            {"a": {"kind": "http", "settings": {"url": "ftp://a.example"}}},
            [("nodes.a.settings.url", "bad_value")],
        ),
        (
            {"a": {"kind": "map", "settings": {"items": "a {{ 1 }}", "body": {"nodes": {"b": LLM}}}}},
            [("nodes.a.settings.items", "bad_value")],
        ),
        (
            {"a": {"kind": "map", "settings": {"items": [], "body": {}}}},
            [("nodes.a.settings.body.nodes", "missing")],
        ),
        (
            {"a": {"kind": "map", "settings": {"items": [], "body": {"nodes": {}}}}},
            [("nodes.a.settings.body.nodes", "bad_value")],
        ),
        (
            {"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"type": "text"}}}},
            [("nodes.a.settings.schema.type", "bad_schema")],
        ),
        (
            {"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"$ref": "https://a.example"}}}},
            [("nodes.a.settings.schema.$ref", "bad_schema")],
        ),
        (
            {"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"pattern": "(a+)+"}}}},
            [("nodes.a.settings.schema.pattern", "bad_schema")],
        ),
        (
            {"a": {"kind": "llm", "settings": {"prompt": "x", "agent": "a", "connection": "c"}}},
            [("nodes.a.settings", "bad_value")],
        ),
        ({"a": {"kind": "llm", "settings": {}}}, [("nodes.a.settings", "bad_value")]),
        ({"a": {**LLM, "join": "first"}}, [("nodes.a.join", "join_needs_edges")]),
        (
            {"a": LLM, "b": {**LLM, "needs": ["a"], "join": {"quorum": 1}}},
            [("nodes.b.join", "join_needs_edges")],
        ),
        (
            {"a": LLM, "b": LLM, "c": {**LLM, "needs": ["a", "b"], "join": {"quorum": 3}}},
            [("nodes.c.join", "join_never_met")],
        ),
    ],
)
def test_a_mistake_is_found_where_it_is(nodes: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found(nodes) == problems


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"a": {"kind": "brnch"}}, "Did you mean “branch”?"),
        ({"outline": LLM, "b": {**LLM, "needs": ["outlin"]}}, "Did you mean “outline”?"),
        (
            {"a": branch("good", "weak"), "b": {**LLM, "needs": ["a.godo"]}},
            "it has out, good, weak, else, error. Did you mean “good”?",
        ),
        (
            {"outline": LLM, "b": llm("{{ nodes.outlne.output }}", needs=["outline"])},
            "Did you mean “outline”?",
        ),
        ({"a": LLM, "b": llm("{{ nodes.a.outptu }}", needs=["a"])}, "Did you mean “output”?"),
        ({"a": LLM, "b": llm("{{ nodes.a.output.txt }}", needs=["a"])}, "Did you mean “text”?"),
        ({"a": {**LLM, "timout": 1}}, "Did you mean “timeout”?"),
        ({"a": llm("{{ run.identity }}")}, "“run” has id, started_at, number."),
    ],
)
def test_a_slip_of_the_pen_gets_a_suggestion(nodes: dict[str, Any], words: str) -> None:
    assert words in message(nodes)


def test_cycles_are_named_each_once() -> None:
    nodes = {
        "a": llm(needs=["c"]),
        "b": llm(needs=["a"]),
        "c": llm(needs=["b"]),
        "d": llm(needs=["c", "e"]),
        "e": llm(needs=["d"]),
        "f": llm("{{ nodes.e.output }}", needs=["e"]),
    }

    problems = find_problems(definition_of(nodes))

    assert [(problem.path, problem.code) for problem in problems] == [
        ("nodes.a.needs", "cycle"),
        ("nodes.d.needs", "cycle"),
    ]
    assert "a → b → c → a" in problems[0].message
    assert "d → e → d" in problems[1].message


def test_mistakes_in_bodies_have_whole_paths() -> None:
    body = {
        "x": llm(needs=["before"]),
        "y": {"kind": "llm", "settings": {}},
        "z": {**LLM, "needs": ["y.nope"], "join": "frist"},
    }

    problems = found({"before": LLM, "m": each(body, needs=["before"])})

    assert sorted(problems) == [
        ("nodes.m.settings.body.nodes.x.needs[0]", "unknown_node"),
        ("nodes.m.settings.body.nodes.y.settings", "bad_value"),
        ("nodes.m.settings.body.nodes.z.join", "bad_value"),
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnopqrstuvwxyz012345",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "xoxb-1234567890-abcdef",
        "AIza" + "b" * 35,
        "-----BEGIN RSA PRIVATE KEY-----",
        "Bearer " + "c" * 40,
        "https://user:secret@example.org/",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijk",
    ],
)
def test_what_looks_like_a_secret_is_refused_and_not_repeated(secret: str) -> None:
    problems = find_problems(definition_of({"a": llm(f"Use {secret} now")}, variables={"key": secret}))

    assert {(problem.path, problem.code) for problem in problems} == {
        ("nodes.a.settings.prompt", "secret"),
        ("variables.key", "secret"),
    }
    assert not any(secret in problem.message for problem in problems)


FUNCTIONS = {
    "split": {
        "type": "object",
        "required": ["text"],
        "additionalProperties": False,
        "properties": {"text": {"type": "string"}, "size": {"type": "integer"}},
    }
}


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"name": "split", "arguments": {"text": "x", "size": 3}}, []),
        ({"name": "split", "arguments": {"text": "{{ run.id }}", "size": "{{ run.number }}"}}, []),
        ({"name": "spilt", "arguments": {}}, [("nodes.a.settings.name", "unknown_function")]),
        ({"name": "split"}, [("nodes.a.settings.arguments.text", "bad_arguments")]),
        ({"name": "split", "arguments": {"text": 1}}, [("nodes.a.settings.arguments.text", "bad_type")]),
        (
            {"name": "split", "arguments": {"text": "", "sise": 3}},
            [("nodes.a.settings.arguments.sise", "bad_arguments")],
        ),
    ],
)
def test_functions_and_their_arguments_are_checked_when_they_are_known(settings: Any, problems: Any) -> None:
    definition = definition_of({"a": {"kind": "function", "settings": settings}})

    assert [
        (problem.path, problem.code) for problem in find_problems(definition, functions=FUNCTIONS)
    ] == problems
    assert find_problems(definition) == []


def test_inputs_must_be_a_schema() -> None:
    assert found({"a": LLM}, inputs={"type": "thing"}) == [("inputs.type", "bad_schema")]
    assert found({"a": LLM}, inputs={"properties": {"x": {"$ref": "file:///etc/passwd"}}}) == [
        ("inputs.properties.x.$ref", "bad_schema")
    ]


def test_bodies_may_nest_five_deep() -> None:
    def nested(levels: int) -> dict[str, Any]:
        node: dict[str, Any] = dict(SHAPE)
        for _ in range(levels):
            node = each({"inner": node})
        return node

    assert found({"m": nested(5)}) == []
    assert [code for _, code in found({"m": nested(6)})] == ["too_deep"]


def test_size_is_limited_before_anything_else_is_looked_at() -> None:
    many = {f"n{number}": LLM for number in range(1_999)}
    assert found({**many, "m": each({"x": LLM})}) == [("nodes", "too_many_nodes")]
    wide = {f"n{number}": {**LLM, "needs": ["a"] * 501} for number in range(20)}
    assert found(wide) == [("nodes", "too_many_edges")]


def test_a_flood_of_problems_is_cut() -> None:
    problems = find_problems(definition_of({f"n{number}": {"kind": "nope"} for number in range(1_000)}))

    assert len(problems) == 201
    assert problems[-1].code == "too_many_problems"
