"""Reads definition texts and gives them one canonical form; what they mean is the compiler's question."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from orchestra.engine.limits import DEFINITION_BYTES, DEFINITION_VALUES, JSON_DEPTH
from orchestra.engine.schema import SCHEMA
from orchestra.engine.yaml_reader import TOO_LARGE, NotReadable, read_yaml
from orchestra.errors import InvalidWorkflow, Problem

__all__ = ["SCHEMA", "canonical", "digest", "find_shape_problems", "is_too_deep", "line_numbers", "load"]

_LARGEST_INTEGER = (1 << 63) - 1


def load(text: str) -> dict[str, Any]:
    """Read a definition from YAML or JSON text.

    Refuses more than 1 MiB, nesting deeper than 32, duplicate keys, YAML tags, anchors and aliases, and whatever
    JSON cannot hold. Raises InvalidWorkflow; messages name the line.
    """
    try:
        value = _read(text)
    except NotReadable as error:
        raise InvalidWorkflow(problems=[error.problem]) from None
    problems = find_shape_problems(value)
    if problems:
        raise InvalidWorkflow(problems=problems)
    definition: dict[str, Any] = value
    return definition


def line_numbers(text: str) -> dict[str, int]:
    """Return the line (from 1) of each path of a definition text, for editors; empty for text that cannot be read."""
    if len(text) > DEFINITION_BYTES:
        return {}
    try:
        return read_yaml(text)[1]
    except NotReadable:
        return {}


def canonical(definition: Mapping[str, Any]) -> str:
    """Return the one JSON text of a definition: sorted keys, no spaces; equal for equal definitions."""
    return json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(definition: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(definition).encode()).hexdigest()


def find_shape_problems(value: Any) -> list[Problem]:
    """Return what keeps a value from being a JSON object of bounded size and depth; any Python value may be given."""
    if not isinstance(value, dict):
        return [Problem("", "bad_type", "One object is expected, `{…}`.")]
    problems: list[Problem] = []
    size = values = 0
    stack: list[tuple[str, Any, int]] = [("", value, 1)]
    while stack and len(problems) < 20:
        path, item, depth = stack.pop()
        size += _size_of(item)
        values += 1
        if size > DEFINITION_BYTES or values > DEFINITION_VALUES:
            return [_too_large()]
        problem = _leaf_problem(path, item, depth)
        if problem is not None:
            problems.append(problem)
        elif isinstance(item, dict):
            stack.extend(
                (f"{path}.{key}" if path else str(key), inner, depth + 1) for key, inner in item.items()
            )
            size += sum(len(key) + 3 for key in item)
        elif isinstance(item, list):
            stack.extend((f"{path}[{index}]", inner, depth + 1) for index, inner in enumerate(item))
    return problems


def is_too_deep(value: Any) -> bool:
    """Tell whether a JSON value is nested deeper than 32 levels."""
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [inner for item in level for inner in _inner(item)]
        if not level:
            return False
    return True


def _inner(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def _size_of(item: Any) -> int:
    return len(item) + 2 if isinstance(item, str) else 2


def _too_large() -> Problem:
    return Problem("", "too_large", TOO_LARGE)


def _leaf_problem(path: str, item: Any, depth: int) -> Problem | None:
    short = path if len(path) <= 300 else path[:300] + "…"
    if depth > JSON_DEPTH + 1:
        return Problem(short, "too_deep", f"Nested deeper than {JSON_DEPTH} levels.")
    if item is None or isinstance(item, bool):
        return None
    if isinstance(item, str):
        return _text_problem(short, item)
    if isinstance(item, int | float):
        is_fine = abs(item) <= _LARGEST_INTEGER if isinstance(item, int) else math.isfinite(item)
        return None if is_fine else Problem(short, "bad_number", "The number is out of range.")
    if isinstance(item, dict):
        if all(isinstance(key, str) and _text_problem(short, key) is None for key in item):
            return None
        return Problem(short, "bad_key", "Keys must be plain text.")
    if isinstance(item, list):
        return None
    return Problem(short, "not_json", f"A value of type {type(item).__name__} is not JSON.")


def _text_problem(path: str, text: str) -> Problem | None:
    if "\x00" in text:
        return Problem(path, "bad_text", "Text must not contain the NUL character.")
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return Problem(path, "bad_text", "Text must not contain half a surrogate pair.")
    return None


def _read(text: str) -> Any:
    if len(text) > DEFINITION_BYTES or len(text.encode(errors="surrogatepass")) > DEFINITION_BYTES:
        raise NotReadable("too_large", _too_large().message)
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return read_yaml(text)[0]
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise NotReadable("too_deep", f"Nested deeper than {JSON_DEPTH} levels.") from None
    except ValueError:
        return read_yaml(text)[0]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotReadable("duplicate_key", f"The key “{twice[:80]}” is given twice.", path=twice[:80])
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotReadable("bad_number", f"{name} is not JSON: only finite numbers are.")
