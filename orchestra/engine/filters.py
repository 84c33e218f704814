"""The filters and tests of the expression language; those of minijinja that could multiply their input are replaced."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orchestra.engine.limits import TEXT_CHARACTERS

NUMBER = "_number"
ANNOUNCE = "_announce"
"""Filters that `expression_text.guard` puts in; people cannot write them."""

_NATIVE = frozenset(
    {
        "abs",
        "bool",
        "capitalize",
        "count",
        "dictsort",
        "first",
        "float",
        "groupby",
        "int",
        "items",
        "last",
        "lines",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "reverse",
        "round",
        "select",
        "selectattr",
        "sort",
        "split",
        "string",
        "sum",
        "title",
        "trim",
        "unique",
        "upper",
        "urlencode",
    }
)
TESTS = frozenset(
    {
        "boolean",
        "defined",
        "divisibleby",
        "endingwith",
        "eq",
        "equalto",
        "even",
        "false",
        "ge",
        "gt",
        "greaterthan",
        "in",
        "integer",
        "float",
        "iterable",
        "le",
        "lessthan",
        "lower",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "sequence",
        "startingwith",
        "string",
        "true",
        "undefined",
        "upper",
    }
)
_INDENT_LIMIT = 64


class FilterError(ValueError):
    """A filter was given something that it cannot work on."""


def text_of(value: Any) -> str:
    """Return a value as it appears in text: JSON for lists and mappings, nothing for null, `true` and `false`."""
    if isinstance(value, str):
        return value
    if value is None or callable(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return to_json(value)


def plain(value: Any) -> Any:
    """Return a value of the evaluator as JSON: tuples and lazy sequences become lists, anything foreign null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {text_of(key): plain(inner) for key, inner in value.items()}
    if callable(value) or isinstance(value, bytes):
        return None
    return [plain(inner) for inner in value] if isinstance(value, Iterable) else None


def to_json(value: Any, indent: int | None = None) -> str:
    spaces = None if indent is None else max(0, min(int(indent), 8))
    text = json.dumps(plain(value), ensure_ascii=False, indent=spaces)
    return _bounded(text)


def from_json(value: Any) -> Any:
    try:
        return json.loads(text_of(value))
    except (ValueError, RecursionError):
        raise FilterError("fromjson: this is not JSON") from None


def join(value: Any, separator: Any = "", attribute: str | None = None) -> str:
    """Join a list as text; a text is joined by its characters, null is the empty text."""
    items = [text_of(_attribute(item, attribute)) for item in _sequence(value, "join")]
    between = text_of(separator)
    if sum(map(len, items)) + len(between) * len(items) > TEXT_CHARACTERS:
        raise FilterError(f"join: the result is longer than {TEXT_CHARACTERS} characters")
    return between.join(items)


def replace(value: Any, old: Any, new: Any) -> str:
    text, before, after = text_of(value), text_of(old), text_of(new)
    if len(text) + (text.count(before) + 1) * len(after) > TEXT_CHARACTERS:
        raise FilterError(f"replace: the result is longer than {TEXT_CHARACTERS} characters")
    return text.replace(before, after)


def default(value: Any, other: Any = "", boolean: bool = False) -> Any:
    """Return `other` for what is missing or null; with `boolean` also for what is false or empty."""
    return other if value is None or callable(value) or (boolean and not value) else value


def length(value: Any) -> int:
    """Count characters, items or keys; null has none."""
    return 0 if value is None or callable(value) else len(value)


def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    """Cut a text to at most `length` characters, at a space unless `killwords`."""
    text = text_of(value)
    limit = max(0, int(length))
    if len(text) <= limit:
        return text
    cut = text[: max(0, limit - len(end))]
    if not killwords and " " in cut:
        cut = cut.rsplit(" ", 1)[0]
    return (cut + end)[:limit]


def indent(value: Any, width: int = 4, first: bool = False) -> str:
    """Indent the lines of a text by at most 64 spaces; blank lines stay empty."""
    space = " " * max(0, min(int(width), _INDENT_LIMIT))
    lines = text_of(value).split("\n")
    shifted = [space + line if line and (first or number) else line for number, line in enumerate(lines)]
    return _bounded("\n".join(shifted))


def batch(value: Any, size: int) -> list[list[Any]]:
    """Cut a list into lists of `size`; the last one may be shorter."""
    items = _sequence(value, "batch")
    step = max(1, int(size))
    return [items[at : at + step] for at in range(0, len(items), step)]


def word_count(value: Any) -> int:
    return len(text_of(value).split())


def keys(value: Any) -> list[str]:
    return list(value) if isinstance(value, Mapping) else []


def values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else []


def number(value: Any) -> Any:
    if isinstance(value, int | float):
        return value
    raise FilterError("only numbers can be multiplied")


def _attribute(item: Any, name: str | None) -> Any:
    if name is None:
        return item
    return item.get(name) if isinstance(item, Mapping) else None


def _sequence(value: Any, name: str) -> list[Any]:
    if value is None or callable(value):
        return []
    if isinstance(value, str):
        return list(value)
    if isinstance(value, Iterable):
        return list(value)
    raise FilterError(f"{name}: this is not a list")


def _bounded(text: str) -> str:
    if len(text) > TEXT_CHARACTERS:
        raise FilterError(f"the text is longer than {TEXT_CHARACTERS} characters")
    return text


OWN: Mapping[str, Callable[..., Any]] = {
    "batch": batch,
    "d": default,
    "default": default,
    "fromjson": from_json,
    "indent": indent,
    "join": join,
    "keys": keys,
    "length": length,
    "replace": replace,
    "tojson": to_json,
    "truncate": truncate,
    "values": values,
    "wordcount": word_count,
}
FILTERS = frozenset(OWN) | _NATIVE
