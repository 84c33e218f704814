"""The input of a run: defaults filled in and checked against the `inputs` of its definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra.engine.definition import find_shape_problems
from orchestra.engine.schemas import find_value_problems
from orchestra.errors import InvalidInput


def complete_input(schema: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """Return the input of a run with the defaults of top-level properties filled in.

    `schema` is `Plan.inputs`; an empty one accepts any object of at most 1 MiB and depth 32.
    Raises InvalidInput with every problem's path.
    """
    shape = find_shape_problems(given)
    if shape:
        raise InvalidInput(problems=shape)
    properties = schema.get("properties", {})
    defaults = {
        name: field["default"]
        for name, field in properties.items()
        if isinstance(field, Mapping) and "default" in field
    }
    completed = {**defaults, **given}
    problems = find_value_problems(schema, completed) if schema else []
    if problems:
        raise InvalidInput(problems=problems)
    return completed
