"""The quick check of JSON Schemas says what the official meta-schema says, and a little more."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.schema_check import find_flaws


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"$ref": "https://example.org/a"}, "s.$ref"),
        ({"properties": {"a": {"items": {"$ref": "file:///a"}}}}, "s.properties.a.items.$ref"),
        ({"allOf": [True, {"$id": "x"}]}, "s.allOf[1].$id"),
        ({"properties": {"a": {"pattern": "(a+)+"}}}, "s.properties.a.pattern"),
        ({"patternProperties": {"(a+)+": {}}}, "s.patternProperties"),
    ],
)
def test_what_reaches_out_or_takes_for_ever_is_refused(schema: Any, path: str) -> None:
    assert [where for where, _ in find_flaws(schema, "s")] == [path]


def test_names_of_properties_are_not_keywords() -> None:
    schema = {
        "properties": {"$ref": {"type": "string"}, "$id": {}, "pattern": {}, "type": {}},
        "$ref": "#/$defs/a",
    }

    assert list(find_flaws(schema, "s")) == []
