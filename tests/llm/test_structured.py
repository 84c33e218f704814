"""Finding and checking JSON in what models say."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.llm.client import Message
from orchestra.llm.structured import (
    complaint,
    parse_json,
    problems_of,
    validator_for,
    with_instructions,
    without_slow_patterns,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" 7 ", 7),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n[1, 2]\n```', [1, 2]),
        ('Sure! Here it is:\n\n```JSON\n{"a": "```"}\n```\nAnything else?', {"a": "```"}),
        ('The answer is {"a": {"b": [1]}}. Bye.', {"a": {"b": [1]}}),
        ("List: [1, 2, 3] as asked", [1, 2, 3]),
        ("null", None),
    ],
)  # fmt: skip
def test_json_is_found(text: str, value: Any) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text", ["", "no", '{"a": NaN}', "{'a': 1}", '{"a": 1', "[" * 100_000, "```json\nx\n```"]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        parse_json(text)


@given(st.text(max_size=80))
def test_parsing_any_text_gives_json_or_value_error(text: str) -> None:
    try:
        parse_json(text)
    except ValueError:
        return


def test_problems_name_their_place_and_are_few() -> None:
    validator = validator_for(
        {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    )

    problems = problems_of([{"n": "x"}] * 50, validator)

    assert problems[0].startswith("0.n: ")
    assert len(problems) == 8
    assert "0.n" in complaint(problems)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", r"(.*)\1", "(?=a+)a+", "a*a*a*a*b", "x" * 300])
def test_a_slow_pattern_is_not_run(pattern: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    started = time.monotonic()

    problems = problems_of({"a": "a" * 40 + "!"}, validator_for(schema))

    assert problems == []
    assert time.monotonic() - started < 0.5


def test_a_plain_pattern_is_enforced() -> None:
    schema = {
        "properties": {"pattern": {"pattern": "^[a-z]{2,8}$"}},
        "patternProperties": {"^n_": {"type": "integer"}},
    }
    validator = validator_for(schema)

    assert problems_of({"pattern": "ok", "n_a": 1}, validator) == []
    assert len(problems_of({"pattern": "NO", "n_a": "x"}, validator)) == 2


def test_only_schemas_lose_slow_patterns() -> None:
    schema = {
        "const": {"pattern": "(a+)+"},
        "properties": {"pattern": {"pattern": "(a+)+"}},
        "anyOf": [{"pattern": "(a+)+"}],
    }

    kept = without_slow_patterns(schema)

    assert kept == {"const": {"pattern": "(a+)+"}, "properties": {"pattern": {}}, "anyOf": [{}]}


def test_instructions_join_the_system_text() -> None:
    schema = {"type": "object"}

    alone = with_instructions([Message("user", "u")], schema)
    joined = with_instructions([Message("system", "s"), Message("user", "u")], schema)

    assert [one.role for one in alone] == ["system", "user"]
    assert joined[0].content.startswith("s\n\n")
    assert '{"type":"object"}' in joined[0].content
