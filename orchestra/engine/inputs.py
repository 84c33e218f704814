"""The input of a run: defaults filled in and checked against the `inputs` of its definition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestra.engine.limits import DEFINITION_BYTES
from orchestra.engine.schemas import find_value_problems
from orchestra.errors import InvalidInput, Problem


def complete_input(schema: Mapping[str, Any], given: Any) -> dict[str, Any]:
    """Return the input of a run with the defaults of top-level properties filled in.

    `schema` is `Plan.inputs`; an empty one accepts any object. Raises InvalidInput with every problem's path.
    """
    if not isinstance(given, dict):
        raise InvalidInput(problems=[Problem("", "bad_type", "The input is an object.")])
    try:
        size = len(json.dumps(given, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput(problems=[Problem("", "not_json", "The input is not JSON.")]) from None
    if size > DEFINITION_BYTES:
        message = f"The input may have {DEFINITION_BYTES // 1024} KiB at most."
        raise InvalidInput(problems=[Problem("", "too_large", message)])
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
