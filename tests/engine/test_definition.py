"""Texts become definitions, or problems that name the line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestra.engine.definition import canonical, digest, find_shape_problems, line_numbers, load
from orchestra.errors import InvalidWorkflow, Problem


def problem_of(text: str) -> Problem:
    with pytest.raises(InvalidWorkflow) as caught:
        load(text)
    (problem,) = caught.value.problems
    return problem


def test_yaml_and_json_give_the_same_definition() -> None:
    yaml_text = "orchestra: 1\nnodes:\n  a: {kind: note, settings: {text: on}}\n"

    from_yaml = load(yaml_text)

    assert from_yaml == {"orchestra": 1, "nodes": {"a": {"kind": "note", "settings": {"text": "on"}}}}
    assert load(json.dumps(from_yaml)) == from_yaml


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("~", None),
        ("", None),
        ("True", True),
        ("'1'", "1"),
        ('"null"', "null"),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(scalar: str, value: Any) -> None:
    assert load(f"a: {scalar}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "empty", "empty"),
        ("- 1", "bad_type", "object"),
        ("just text", "bad_type", "object"),
        ("a: 1\nb: 2\na: 3", "duplicate_key", "Line 3"),
        ('{"a": 1, "a": 2}', "duplicate_key", "“a”"),
        ("a: &x 1", "yaml_alias", "Line 1"),
        ("a: *x", "yaml_alias", "Line 1"),
        ("<<: 1", "yaml_alias", "Merge"),
        ("a: !!python/object/apply:os.system ['true']", "yaml_tag", "Line 1"),
        ("a: !env HOME", "yaml_tag", "tags"),
        ("a: [1", "bad_yaml", "Line"),
        ("a: 'open", "bad_yaml", "Line"),
        ("a: 1\n---\nb: 2", "bad_yaml", "Line 2"),
        ("? [a]\n: 1", "bad_key", "Line 1"),
        ("a: .inf", "bad_number", "finite"),
        ("a: 1e999", "bad_number", "finite"),
        ('{"a": NaN}', "bad_number", "finite"),
        ('{"a": 1e999}', "bad_number", "range"),
        ("a: 99999999999999999999", "bad_number", "range"),
        ('{"a": "\\u0000"}', "bad_text", "NUL"),
        ('{"a": "\\ud800"}', "bad_text", "surrogate"),
        ("a: \x01", "bad_yaml", "YAML"),
        ("[" * 100_000, "too_deep", "32"),
        ('{"a":' * 100_000, "too_deep", "32"),
        ("a: " + "x" * (1 << 20), "too_large", "1024 KiB"),
        ("{a: " + "é" * (1 << 19) + "}", "too_large", "1024 KiB"),
    ],
)
def test_what_is_no_definition_is_refused_with_its_reason(text: str, code: str, words: str) -> None:
    problem = problem_of(text)

    assert problem.code == code
    assert words in problem.message


def test_the_path_of_a_duplicate_key_is_named() -> None:
    problem = problem_of("nodes:\n  a:\n    kind: llm\n    kind: http\n")

    assert problem.path == "nodes.a.kind"
    assert "line 3" in problem.message


def test_lines_of_paths_are_found_for_editors() -> None:
    text = (
        "orchestra: 1\nnodes:\n  a:\n    kind: llm\n    needs: [b,\n      c]\n    settings:\n      - {x: 1}\n"
    )

    lines = line_numbers(text)

    assert (lines["nodes"], lines["nodes.a"], lines["nodes.a.kind"]) == (2, 3, 4)
    assert (lines["nodes.a.needs[0]"], lines["nodes.a.needs[1]"]) == (5, 6)
    assert (lines["nodes.a.settings[0]"], lines["nodes.a.settings[0].x"]) == (8, 8)


def test_text_that_cannot_be_read_has_no_lines() -> None:
    assert line_numbers("a: [") == {}


def test_equal_definitions_have_one_canonical_text_and_digest() -> None:
    one = {"b": 1, "a": {"d": "é", "c": [1, 2]}}
    other = {"a": {"c": [1, 2], "d": "é"}, "b": 1}

    assert canonical(one) == canonical(other) == '{"a":{"c":[1,2],"d":"é"},"b":1}'
    assert digest(one) == digest(other)
    assert digest(one) != digest({**one, "b": 2})


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "bad_type"),
        ([], "bad_type"),
        ({1: 2}, "bad_key"),
        ({"a\x00": 2}, "bad_key"),
        ({"a": {1, 2}}, "not_json"),
        ({"a": (1, 2)}, "not_json"),
        ({"a": float("nan")}, "bad_number"),
        ({"a": 1 << 70}, "bad_number"),
        ({"a": "x" * (1 << 20)}, "too_large"),
        (deep(10_000), "too_deep"),
    ],
)
def test_a_value_that_is_not_json_of_bounded_size_is_refused(value: Any, code: str) -> None:
    assert [problem.code for problem in find_shape_problems(value)] == [code]


def test_an_ordinary_definition_has_the_right_shape() -> None:
    assert find_shape_problems(deep(30)) == []
