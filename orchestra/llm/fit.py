"""Making JSON that fits a schema out of a text: how the simulated model answers structured questions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestra.llm.brief import Brief
from orchestra.llm.extract import (
    best_sentences,
    is_chinese,
    keywords,
    measured,
    quality,
    sentences,
    title_of,
    words_of,
)

DEPTH = 12
FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}
SCORES = re.compile(r"scor|rating|grade|quality|confidence|rank|level", re.IGNORECASE)
COUNTS = re.compile(r"words?$|word_?count|length", re.IGNORECASE)
TITLES = re.compile(r"title|name|headline|subject|topic$", re.IGNORECASE)
TERMS = re.compile(r"tag|keyword|topics|label|categor", re.IGNORECASE)
REASONS = re.compile(r"reason|why|explan|justif|comment", re.IGNORECASE)
LANGUAGES = re.compile(r"^lang", re.IGNORECASE)


def fit(schema: Mapping[str, Any], brief: Brief) -> Any:
    """Return a value that fits the JSON Schema as far as its text allows; equal for equal arguments.

    Understands type, enum, const, properties, items, prefixItems, bounds, lengths, formats, local `$ref`,
    allOf and the first of anyOf and oneOf; patterns are not solved. What is no
    JSON Schema at all gets a text.
    """
    text = brief.document or brief.instruction
    try:
        return _Filler(schema, text).value(schema, "", 0)
    except (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return title_of(text)


class _Filler:
    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._text = text
        self._makers: dict[str, Callable[[Mapping[str, Any], str, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "number": self._number,
            "integer": self._number,
            "boolean": lambda schema, name, depth: quality(self._text) >= 5,
            "null": lambda schema, name, depth: None,
        }

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > DEPTH:
            return best_sentences(self._text, 1)[0] if sentences(self._text) else ""
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._choice(schema["enum"])
        make = self._makers.get(_type_of(schema), self._makers["string"])
        return make(schema, name, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow local references and merge allOf and the first of anyOf and oneOf."""
        merged = dict(schema)
        for _ in range(DEPTH):
            parts: list[Any] = [self._local(merged.pop("$ref"))] if "$ref" in merged else []
            parts += merged.pop("allOf", [])
            parts += [merged.pop(key)[0] for key in ("anyOf", "oneOf") if merged.get(key)]
            if not parts:
                break
            for part in parts:
                if isinstance(part, Mapping):
                    merged = _merge(merged, part)
        return merged

    def _local(self, reference: Any) -> Any:
        found: Any = self._root
        for part in str(reference).removeprefix("#").strip("/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key, {}) if key and isinstance(found, Mapping) else found
        return found

    def _choice(self, options: Sequence[Any]) -> Any:
        """Return the option that the text names first, else the one that its quality points at."""
        lower = self._text.lower()
        named = [(lower.find(str(option).lower()), index) for index, option in enumerate(options)]
        found = sorted(pair for pair in named if pair[0] >= 0)
        if found:
            return options[found[0][1]]
        return options[min(len(options) - 1, int((10 - quality(self._text)) / 10 * len(options)))]

    def _object(self, schema: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = [key for key in schema.get("required", ()) if isinstance(key, str)]
        wanted = required if depth >= DEPTH // 2 else list(dict.fromkeys((*required, *properties)))
        return {key: self.value(properties.get(key, {}), key, depth + 1) for key in wanted}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        items = schema.get("items", {})
        low, high = _whole(schema, "minItems", 0), _whole(schema, "maxItems", 64)
        first = [self.value(part, name, depth + 1) for part in schema.get("prefixItems", ())]
        count = max(low, min(3 if items is not False else 0, high)) - len(first)
        if count <= 0:
            return first
        item = self._resolved(items) if isinstance(items, Mapping) else {}
        if isinstance(item.get("enum"), list) and item["enum"]:
            rest = [*item["enum"][:count], *([item["enum"][0]] * (count - len(item["enum"])))]
        elif _type_of(item) == "string" and not {"const", "format"} & set(item):
            rest = self._texts(item, name, count)
        else:
            rest = [self.value(items, name, depth + 1) for _ in range(count)]
        return [*first, *(_distinct(rest) if schema.get("uniqueItems") else rest)]

    def _texts(self, item: Mapping[str, Any], name: str, count: int) -> list[Any]:
        source = keywords(self._text, count) if TERMS.search(name) else best_sentences(self._text, count)
        texts = [*source, *(f"item {number + 1}" for number in range(len(source), count))]
        return [_sized(text, item) for text in texts]

    def _string(self, schema: Mapping[str, Any], name: str, depth: int) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[str(schema["format"])]
        if TITLES.search(name):
            return _sized(title_of(self._text), schema)
        if LANGUAGES.search(name):
            return _sized("zh" if is_chinese(self._text) else "en", schema)
        if TERMS.search(name):
            return _sized(", ".join(keywords(self._text, 3)), schema)
        if REASONS.search(name):
            return _sized(f"Measured: {measured(self._text)}", schema)
        count = 1 if re.search(r"quote|sentence", name, re.IGNORECASE) else 2
        return _sized(" ".join(best_sentences(self._text, count)), schema)

    def _number(self, schema: Mapping[str, Any], name: str, depth: int) -> int | float:
        low, high = _bounds(schema)
        if SCORES.search(name) or (low is not None and high is not None):
            low, high = (0.0 if low is None else low), (10.0 if high is None else high)
            value = low + (high - low) * quality(self._text) / 10
        else:
            value = float(len(words_of(self._text)) if COUNTS.search(name) else len(sentences(self._text)))
            value = value if low is None else max(value, low)
            value = value if high is None else min(value, high)
        return _stepped(value, low, high, schema)


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if {"minimum", "maximum"} & set(schema) else "string"


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**other, **one}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [*other["required"], *one["required"]]
    return merged


def _whole(schema: Mapping[str, Any], key: str, default: int) -> int:
    value = schema.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _sized(text: str, schema: Mapping[str, Any]) -> str:
    """Return the text within minLength and maxLength, cut at a word if possible."""
    high = _whole(schema, "maxLength", 100_000)
    if len(text) > high:
        cut = text[: max(0, high - 1)].rsplit(" ", 1)[0].rstrip(" ,;:") if high > 20 else ""
        text = f"{cut}…" if cut else text[:high]
    return text.ljust(_whole(schema, "minLength", 0), ".")


def _bounds(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    step = 1.0 if _type_of(schema) == "integer" else 1e-6
    found: list[float | None] = []
    for plain, exclusive, sign in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        limit, strict = schema.get(plain), schema.get(exclusive)
        values = [float(limit)] if isinstance(limit, (int, float)) else []
        values += [strict + sign * step] if isinstance(strict, (int, float)) else []
        found.append((max if sign == 1 else min)(values) if values else None)
    return found[0], found[1]


def _stepped(value: float, low: float | None, high: float | None, schema: Mapping[str, Any]) -> int | float:
    """Return the value as a multiple of `multipleOf` (1 for integers) between the bounds."""
    is_whole = _type_of(schema) == "integer"
    given = schema.get("multipleOf")
    step = float(given) if isinstance(given, (int, float)) and given > 0 else (1.0 if is_whole else 0.0)
    if not step:
        return round(value, 1) if low is None or high is None or high - low >= 1 else round(value, 6)
    count = round(value / step)
    if high is not None:
        count = min(count, math.floor(high / step))
    if low is not None:
        count = max(count, math.ceil(low / step))
    result = count * step
    return int(result) if is_whole or result.is_integer() else result


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
