"""The input of a run: defaults, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.inputs import complete_input
from orchestra.errors import InvalidInput

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["document"],
    "additionalProperties": False,
    "properties": {
        "document": {"type": "string", "minLength": 1},
        "people": {"type": "array", "items": {"type": "string"}, "default": ["Ada"]},
        "count": {"type": "integer", "minimum": 1},
    },
}


def test_defaults_are_filled_in() -> None:
    assert complete_input(SCHEMA, {"document": "x"}) == {"document": "x", "people": ["Ada"]}
    assert complete_input(SCHEMA, {"document": "x", "people": []})["people"] == []


def test_without_a_schema_any_object_will_do() -> None:
    assert complete_input({}, {"anything": [1]}) == {"anything": [1]}


def test_every_problem_is_told_with_its_path() -> None:
    with pytest.raises(InvalidInput) as caught:
        complete_input(SCHEMA, {"people": ["Bob", 3], "count": 0, "contu": 1})

    assert sorted((problem.path, problem.code) for problem in caught.value.problems) == [
        ("contu", "unknown_field"),
        ("count", "bad_value"),
        ("document", "missing"),
        ("people[1]", "bad_type"),
    ]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "bad_type"),
        ([], "bad_type"),
        ({"a": {1}}, "not_json"),
        ({"a": float("inf")}, "bad_number"),
        ({"a": "\x00"}, "bad_text"),
        ({"a": "x" * (1 << 20)}, "too_large"),
    ],
)
def test_what_is_no_json_object_of_bounded_size_is_refused(given: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        complete_input({}, given)

    assert [problem.code for problem in caught.value.problems] == [code]


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"properties": {"a": {"pattern": "("}}}, {"$ref": "#/nowhere"}]
)
def test_a_schema_that_cannot_be_used_is_a_problem_not_a_crash(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        complete_input({**schema, "type": "object"}, {"a": "b"})

    assert [problem.code for problem in caught.value.problems] == ["bad_schema"]
