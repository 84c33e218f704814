"""JSON made for a schema fits that schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestra.llm.brief import Brief
from orchestra.llm.extract import best_sentences, title_of
from orchestra.llm.fit import fit

DOCUMENT = "# Bridges\n\nThe town has three bridges over the river. The oldest one was built in 1887. One is critical."
BRIEF = Brief("summary", "Summarise:", DOCUMENT)


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["score"], "properties": {"score": {"type": "number", "minimum": 0, "maximum": 10}}},
        {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}, "minItems": 2}}},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "uniqueItems": True},
        {"type": "array", "items": {"type": "integer"}, "minItems": 5, "maxItems": 5},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        {"type": "string", "minLength": 40, "maxLength": 50},
        {"type": "string", "maxLength": 0},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
        {"type": "number", "multipleOf": 0.25, "minimum": 1, "maximum": 2},
        {"type": "integer", "multipleOf": 7, "minimum": 20, "maximum": 22},
        {"type": "number", "minimum": 1e6},
        {"type": ["null", "string"]},
        {"type": ["string", "null"]},
        {"type": "null"},
        {"const": {"a": [1]}},
        {"enum": ["low", "critical", "high"]},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["b"], "properties": {"b": {}}}]},
        {"$ref": "#/$defs/n", "$defs": {"n": {"required": ["n"], "properties": {"n": {"type": "integer"}}}}},
        {},
        {"required": ["anything"]},
        {"properties": {"deep": {"properties": {"deeper": {"items": {"properties": {"x": {"type": "number"}}}}}}}},
    ],
)  # fmt: skip
def test_the_value_fits(schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(fit(schema, BRIEF))


def test_a_recursive_schema_ends() -> None:
    node: dict[str, Any] = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}},
    }
    node["properties"]["child"] = {"$ref": "#/$defs/node"}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}

    Draft202012Validator(schema).validate(fit(schema, BRIEF))


def test_names_choose_what_is_filled_in() -> None:
    names = ("title", "summary", "score", "word_count", "language", "tags")
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    schema["properties"]["score"] = schema["properties"]["word_count"] = {"type": "integer"}

    made = fit(schema, BRIEF)

    assert made["title"] == title_of(DOCUMENT) == "Bridges"
    assert made["summary"] == " ".join(best_sentences(DOCUMENT, 2))
    assert 0 <= made["score"] <= 10
    assert made["word_count"] == 19
    assert made["language"] == "en"
    assert "bridges" in made["tags"]


def test_an_option_that_the_text_names_is_chosen() -> None:
    assert fit({"enum": ["low", "high", "critical"]}, BRIEF) == "critical"


def between(kind: str, low: str, high: str, lowest: int) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of a kind with two bounds, `{"type": "integer", "minimum": 3, "maximum": 9}`."""
    return st.builds(
        lambda least, more: {"type": kind, low: least, high: least + more},
        st.integers(lowest, 40),
        st.integers(0, 99),
    )


LEAVES = st.one_of(
    between("integer", "minimum", "maximum", -99),
    between("number", "minimum", "maximum", -99),
    between("string", "minLength", "maxLength", 0),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": "string"}, {"enum": [1, "b"]}, {"const": 3}]
    ),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda item, n: {"type": "array", "items": item, "minItems": n}, inner, st.integers(0, 3)),
        st.builds(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": sorted(parts),
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from(["score", "title", "tags", "a", "b"]), inner, max_size=4),
        ),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(schema=SCHEMAS, text=st.sampled_from([DOCUMENT, "", "好的。", "x"]))
def test_any_sound_schema_is_met(schema: dict[str, Any], text: str) -> None:
    made = fit(schema, Brief("summary", "", text))

    Draft202012Validator(schema).validate(made)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "items", "properties", "anyOf", "allOf", "$ref", "required", "enum", "minItems"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_a_schema_that_is_none_does_not_break_it(schema: Any) -> None:
    if isinstance(schema, dict):
        fit(schema, BRIEF)
