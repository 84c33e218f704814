"""The quick check of JSON Schemas says what the official meta-schema says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestra.engine.schema_check import find_flaws

KEYWORDS = [
    "type", "properties", "items", "required", "enum", "allOf", "anyOf", "not", "if", "then", "prefixItems",
    "minimum", "maxLength", "minItems", "multipleOf", "uniqueItems", "title", "additionalProperties",
    "patternProperties", "dependentRequired", "$defs", "const", "default", "examples", "unknown",
]  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([0.5, 2.0, "string", "object", "null", "a", "", "^a$"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=5)


@given(SCHEMAS)
def test_the_official_meta_schema_agrees(schema: Any) -> None:
    official = Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(schema)

    assert (list(find_flaws(schema, "s")) == []) == official
