"""Whatever is given as a definition, the answer is a list of problems, soon, and never another exception.

The large ones are a tenth of the limits by default and as large as the limits allow with ENGINE_EXAMPLES.
"""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.definition import load
from orchestra.errors import InvalidWorkflow, Problem
from tests.engine.graphs import BRANCH, LLM, MAP, SHAPE, definition_of

WORDS = [
    "orchestra",
    "nodes",
    "kind",
    "needs",
    "settings",
    "body",
    "items",
    "join",
    "when",
    "llm",
    "map",
    "branch",
    "transform",
    "http",
    "function",
    "note",
    "item",
    "prompt",
    "cases",
    "name",
    "else",
    "mode",
    "a",
    "b",
    "a.out",
    "b.error",
    "a.x",
    "quorum",
    "output",
    "on_error",
    "retry",
    "timeout",
    "inputs",
    "variables",
    "defaults",
    "limits",
    "properties",
    "schema",
    "{{ nodes.a.output }}",
    "{{ item }}",
    "{% for",
    "",
    "$ref",
    "#",
    "value",
    "url",
    "https://a.example",
    "first",
    "all",
    "continue",
    "max",
    "type",
    "object",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=4)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)
NODE = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ["llm", "map", "branch", "transform", "http", "function", "note", "wait", "zzz"]
        )
        | JSON
    },
    optional={
        "needs": st.lists(st.sampled_from(["a", "b", "c", "a.out", "b.error", "c.left", "q"]), max_size=3)
        | JSON,
        "settings": st.sampled_from([LLM["settings"], BRANCH["settings"], MAP["settings"], SHAPE["settings"]])
        | JSON,
        "join": st.sampled_from(["any", "all", "first", "done", {"quorum": 2}]) | JSON,
        "when": JSON,
        "on_error": JSON,
        "retry": JSON,
        "timeout": JSON,
        "priority": JSON,
        "title": JSON,
    },
)
DEFINITION = st.fixed_dictionaries(
    {
        "orchestra": st.just(1) | JSON,
        "nodes": st.dictionaries(st.sampled_from("abc"), NODE, max_size=3) | JSON,
    },
    optional={
        "inputs": JSON,
        "variables": JSON,
        "defaults": JSON,
        "limits": JSON,
        "output": JSON,
        "name": JSON,
    },
)


def answer(value: Any) -> list[Problem]:
    """Compile; return the problems. Anything but a plan or InvalidWorkflow is a failure of the test."""
    started = time.process_time()
    try:
        compile_definition(value)
        problems: list[Problem] = []
    except InvalidWorkflow as error:
        problems = list(error.problems)
        assert problems
    assert time.process_time() - started < 2
    assert all(problem.message and problem.code for problem in problems)
    return problems


@given(DEFINITION | JSON)
def test_any_value_gives_a_plan_or_problems(value: Any) -> None:
    assert answer(value) == find_problems(value)


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from([*WORDS, ": ", "\n", "  ", "- ", "{", "}", "[", "]", '"', "&", "*", "!", "|"]),
        max_size=25,
    ).map("".join)
)
def test_any_text_gives_a_definition_or_problems(text: str) -> None:
    try:
        found: Any = load(text)
    except InvalidWorkflow as error:
        found = error.problems

    assert found or found == {}


def chain(length: int) -> dict[str, Any]:
    return {f"n{number}": {**LLM, "needs": [f"n{number - 1}"] if number else []} for number in range(length)}


def nested_maps(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = dict(LLM)
    for _ in range(depth):
        node = {"kind": "map", "settings": {"items": [], "body": {"nodes": {"m": node}}}}
    return {"m": node}


def nested_lists(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


FULL = 2_000 if "ENGINE_EXAMPLES" in os.environ else 100
"""Nodes of a large definition."""

BRANCHES = {
    f"n{number}": {
        "kind": "branch",
        "settings": {"cases": [{"name": f"c{case}", "when": "true"} for case in range(5)]},
        "needs": [f"n{number - 1}.c{number % 5}"] if number else [],
    }
    for number in range(FULL // 3)
}

HOSTILE = {
    "100,000 nodes": dict.fromkeys((f"n{number}" for number in range(100_000)), LLM),
    "a cycle through everything": {**chain(FULL), "n0": {**LLM, "needs": [f"n{FULL - 1}"]}},
    "a thousand cycles": {f"n{number}": {**LLM, "needs": [f"n{number ^ 1}"]} for number in range(FULL)},
    "everything needs everything": {
        f"n{a}": {**LLM, "needs": [f"n{b}" for b in range(FULL // 20)]} for a in range(FULL // 20)
    },
    "edges to nowhere": {f"n{a}": {**LLM, "needs": [f"x{b}" for b in range(10)]} for a in range(FULL // 2)},
    "unknown ports": {
        **{f"n{a}": BRANCH for a in range(99)},
        **{f"m{a}": {**LLM, "needs": [f"n{a % 99}.lft"]} for a in range(FULL // 2)},
    },
    "slips everywhere": {
        f"n{a}": {"kind": "llm", "settings": {"prompt": f"{{{{ nodes.m{a}.outputs }}}}"}} for a in range(FULL)
    },
    "deep bodies": nested_maps(7),
    "very deep bodies": nested_maps(FULL),
    "deep values": {"a": {"kind": "transform", "settings": {"value": nested_lists(50_000)}}},
    "wrong types everywhere": {
        f"n{a}": {"kind": [], "needs": {}, "settings": 1, "join": [], "when": {}, "retry": 1}
        for a in range(FULL // 2)
    },
    "a quorum over everything": {
        **{f"n{a}": LLM for a in range(FULL - 9)},
        "q": {**LLM, "needs": [f"n{a}" for a in range(FULL - 9)], "join": {"quorum": 99}},
    },
    "all of many branches": {
        **BRANCHES,
        **{
            f"all{a}": {**LLM, "needs": [f"n{b}" for b in range(a % 30, a % 30 + 8)], "join": "all"}
            for a in range(FULL // 3)
        },
    },
    "zigzag": {
        f"n{a}": {**LLM, "needs": [] if a < FULL // 2 else [f"n{a - FULL // 2}", f"n{(a + 1) % (FULL // 2)}"]}
        for a in range(FULL)
    },
    "broken expressions": {
        f"n{a}": {"kind": "llm", "settings": {"prompt": "{{ (" * 40 + str(a)}} for a in range(FULL)
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_definitions_are_answered_soon(name: str) -> None:
    problems = answer(definition_of(HOSTILE[name]))

    assert problems or name in {"a quorum over everything", "all of many branches", "zigzag"}


def test_a_schema_that_refers_to_itself_is_answered() -> None:
    nodes = {"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"$ref": "#"}}}}

    assert (
        answer(definition_of(nodes, inputs={"$ref": "#", "properties": {"a": {"$ref": "#/properties/a"}}}))
        == []
    )
