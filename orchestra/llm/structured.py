"""Structured output: asking for JSON in words, finding it in an answer, checking it against the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from orchestra.errors import ModelRefused
from orchestra.llm.client import Message

FENCE = re.compile(r"```(?:json)?[ \t]{0,8}\n(.*?)```", re.DOTALL | re.IGNORECASE)
MAX_PROBLEMS = 8
SLOW_PATTERN = re.compile(r"\)[*+?{]|\\[1-9]|\(\?[^:]|(?:[*+}][^*+]*){3}")
"""Repeated groups, back references, look-around and many repeats can take exponential time: not enforced."""


def with_instructions(messages: Sequence[Message], schema: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the conversation with the schema asked for in words, for models that have no other way."""
    asked = (
        "Answer with one JSON value that fits this JSON Schema, and nothing else: no explanation, no fence.\n"
        + json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    )
    if messages and messages[0].role == "system":
        return (replace(messages[0], content=f"{messages[0].content}\n\n{asked}"), *messages[1:])
    return (Message("system", asked), *messages)


def parse_json(text: str) -> Any:
    """Return the JSON of an answer: the whole text, a fenced block, or the outermost braces or brackets.

    Raises ValueError when there is none.
    """
    stripped = text.strip()
    candidates = [stripped, *(match.strip() for match in FENCE.findall(stripped))]
    for opening, closing in ("{}", "[]"):
        start, end = stripped.find(opening), stripped.rfind(closing)
        if 0 <= start < end:
            candidates.append(stripped[start : end + 1])
    for candidate in candidates:
        try:
            return json.loads(candidate, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
    raise ValueError("the answer holds no valid JSON")


def validator_for(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a validator that never fetches a reference and never runs a slow pattern.

    Raises ModelRefused when the schema is not a JSON Schema.
    """
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ModelRefused(f"The node's schema is not a JSON Schema: {error.message[:200]}") from error
    return Draft202012Validator(without_slow_patterns(schema), registry=Registry())


def problems_of(value: Any, validator: Draft202012Validator) -> list[str]:
    """Return what does not fit, `place: message`, at most MAX_PROBLEMS. Raises ModelRefused (`$ref`)."""
    found: list[str] = []
    try:
        for error in validator.iter_errors(value):
            place = ".".join(str(part) for part in error.absolute_path) or "the answer"
            found.append(f"{place}: {error.message[:200]}")
            if len(found) >= MAX_PROBLEMS:
                break
    except Unresolvable as error:
        raise ModelRefused(f"The node's schema refers to something that is not in it: {error.ref}") from error
    except RecursionError as error:
        raise ModelRefused("The node's schema or the answer is nested too deeply.") from error
    return found


def complaint(problems: Sequence[str]) -> str:
    """Return the turn that asks again."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return f"That does not fit the JSON Schema:\n{listed}\nAnswer again with the corrected JSON only."


def without_slow_patterns(schema: Any) -> Any:
    """Return the schema without the regular expressions whose cost is not bounded."""
    if isinstance(schema, list):
        return [without_slow_patterns(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("const", "enum", "default", "examples"):
            kept[key] = value
        elif key in ("properties", "$defs", "definitions", "dependentSchemas") and isinstance(value, Mapping):
            kept[key] = {name: without_slow_patterns(part) for name, part in value.items()}
        elif key == "patternProperties" and isinstance(value, Mapping):
            kept[key] = {
                name: without_slow_patterns(part) for name, part in value.items() if not _is_slow(name)
            }
        elif key != "pattern" or not _is_slow(value):
            kept[key] = without_slow_patterns(value)
    return kept


def _is_slow(pattern: Any) -> bool:
    return not isinstance(pattern, str) or len(pattern) > 200 or bool(SLOW_PATTERN.search(pattern))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
