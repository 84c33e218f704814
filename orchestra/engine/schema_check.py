"""Checks that a value is a usable JSON Schema (2020-12), in time linear in its size.

Validating against the official meta-schema takes half a millisecond for each property, too long for schemas that
strangers write. Keywords that are not known are let through, as the specification wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestra.engine.patterns import find_pattern_problem

TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SCHEMA = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_COUNTS = frozenset(
    {
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
    }
)
_NUMBERS = frozenset({"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"})
_TEXTS = frozenset({"$anchor", "$comment", "$dynamicAnchor", "description", "format", "title"})
_FLAGS = frozenset({"deprecated", "readOnly", "uniqueItems", "writeOnly"})

Found = tuple[str, str]
"""(path, what is wrong)"""


def find_flaws(schema: Any, path: str) -> Iterator[Found]:
    """Yield what keeps a value from being a schema that refers to nothing elsewhere."""
    stack = [(path, schema)]
    while stack:
        where, part = stack.pop()
        if isinstance(part, bool):
            continue
        if not isinstance(part, Mapping):
            yield where, "A JSON Schema is an object, or true or false."
            continue
        for keyword, value in part.items():
            place = f"{where}.{keyword}"
            inner = list(_inner(keyword, value, place))
            stack.extend(inner)
            if not inner:
                yield from ((place, flaw) for flaw in _flaws(keyword, value))
            if keyword == "patternProperties" and isinstance(value, Mapping):
                yield from ((place, flaw) for flaw in map(find_pattern_problem, value) if flaw)


def _inner(keyword: str, value: Any, place: str) -> Iterator[Found]:
    """Schemas within the value of a keyword, with their paths."""
    if keyword in _SCHEMA:
        yield place, value
    elif keyword in _SCHEMAS and isinstance(value, list):
        yield from ((f"{place}[{index}]", part) for index, part in enumerate(value))
    elif keyword in _NAMED and isinstance(value, Mapping):
        yield from ((f"{place}.{name}", part) for name, part in value.items())


def _flaws(keyword: str, value: Any) -> Iterator[str]:
    wanted = _wanted(keyword, value)
    if wanted:
        yield f"“{keyword}” must be {wanted}."
    elif keyword == "$id":
        yield "Schemas here have no `$id`."
    elif keyword in {"$ref", "$dynamicRef"} and not value.startswith("#"):
        yield "References must begin with `#`: nothing is loaded from elsewhere."
    elif keyword == "pattern":
        flaw = find_pattern_problem(value)
        if flaw:
            yield flaw


def _wanted(keyword: str, value: Any) -> str:
    """Return what the value of a keyword should be and is not, or nothing."""
    for keywords, is_right, description in _RULES:
        if keyword in keywords:
            return "" if is_right(value) else description
    return ""


def _is_count(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value == int(value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


def _is_type(value: Any) -> bool:
    return (
        value in TYPES
        if isinstance(value, str)
        else bool(value) and _is_names(value) and TYPES.issuperset(value)
    )


_RULES: tuple[tuple[frozenset[str], Callable[[Any], bool], str], ...] = (
    (frozenset({"type"}), _is_type, f"one or several of: {', '.join(sorted(TYPES))}"),
    (_NAMED, lambda value: isinstance(value, Mapping), "an object of schemas"),
    (_SCHEMAS, lambda value: isinstance(value, list) and bool(value), "a list of schemas"),
    (frozenset({"required"}), _is_names, "a list of different names"),
    (
        frozenset({"dependentRequired"}),
        lambda value: isinstance(value, Mapping) and all(map(_is_names, value.values())),
        "an object of lists of names",
    ),
    (frozenset({"enum", "examples"}), lambda value: isinstance(value, list), "a list"),
    (_COUNTS, _is_count, "a whole number, 0 or more"),
    (_NUMBERS, _is_number, "a number"),
    (frozenset({"multipleOf"}), lambda value: _is_number(value) and value > 0, "a number above 0"),
    (_TEXTS | {"pattern", "$ref", "$dynamicRef", "$id"}, lambda value: isinstance(value, str), "text"),
    (_FLAGS, lambda value: isinstance(value, bool), "true or false"),
)
