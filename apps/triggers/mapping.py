"""From what happened to the input of a run: a JSON value with expressions, over what its kind puts in scope. Pure.

A schedule has `due_at`; a webhook `body`, `headers`, `query`; the end of a run `run`; all have `trigger`.
A form's input is what was typed, over the constants given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra.engine.definition import find_shape_problems
from orchestra.engine.expressions import check, names_read, render
from orchestra.errors import InvalidInput, Problem

NAMES: Mapping[str, frozenset[str]] = {
    "schedule": frozenset({"trigger", "due_at"}),
    "webhook": frozenset({"trigger", "body", "headers", "query"}),
    "event": frozenset({"trigger", "run"}),
    "form": frozenset({"trigger"}),
}
WHOLE_BODY = "{{ body }}"


def find_mapping_problems(mapping: Any, kind: str) -> list[Problem]:
    """Return what is wrong with the input of a trigger of this kind, with paths under `input`."""
    if isinstance(mapping, str):
        return _text_problems(mapping, "input", kind)
    shape = find_shape_problems(mapping)
    if shape:
        return [Problem(_under("input", one.path), one.code, one.message) for one in shape]
    return [
        problem for path, text in _texts(mapping, "input") for problem in _text_problems(text, path, kind)
    ]


def mapped(mapping: Any, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input that a mapping makes of a scope. Raises ExpressionError, InvalidInput (no object)."""
    made = render(mapping, scope)
    if not isinstance(made, dict):
        message = f"The input must be an object; the trigger's mapping made a {type(made).__name__}."
        raise InvalidInput(problems=[Problem("input", "bad_type", message)])
    return made


def _text_problems(text: str, path: str, kind: str) -> list[Problem]:
    found = check(text, path)
    if found:
        return found
    unknown = sorted({name for name in names_read(text) if name.partition(".")[0] not in NAMES[kind]})
    known = ", ".join(sorted(NAMES[kind]))
    return [
        Problem(path, "unknown_name", f"There is no {name!r} here; a {kind} has: {known}.")
        for name in unknown
    ]


def _texts(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, Mapping):
        return [found for key, inner in value.items() for found in _texts(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for i, inner in enumerate(value) for found in _texts(inner, f"{path}[{i}]")]
    return []


def _under(root: str, path: str) -> str:
    return f"{root}.{path}" if path else root
