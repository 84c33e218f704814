"""What comes in: JSON that means one thing only, and serializers that refuse what they do not know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import BaseParser

from orchestra.api_problems import TooLarge

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 32


class StrictJSONParser(BaseParser):
    """JSON (RFC 8259) of at most 10 MB and 32 levels, without duplicate keys, NaN, infinities or NUL."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return parse_json(read_limited(stream, parser_context))


class YAMLTextParser(BaseParser):
    """YAML as text, for definitions: it is read by the engine's own loader, so this only decodes it."""

    media_type = "application/yaml"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return decoded(read_limited(stream, parser_context))


def read_limited(stream: IO[Any], context: Mapping[str, Any] | None = None) -> bytes:
    """Return the body, at most `MAX_BYTES` of it. Raises TooLarge, without reading on."""
    request = (context or {}).get("request")
    declared = request.META.get("CONTENT_LENGTH", "") if request is not None else ""
    if str(declared).isdecimal() and int(declared) > MAX_BYTES:
        raise TooLarge(f"A request may have at most {MAX_BYTES // 1024 // 1024} MB.")
    raw: bytes = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"A request may have at most {MAX_BYTES // 1024 // 1024} MB.")
    return raw


def decoded(raw: bytes) -> str:
    """Return the text of a UTF-8 body. Raises ParseError for another encoding and for NUL."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 (byte {error.start}).") from error
    if "\0" in text:
        raise ParseError("The body contains NUL.")
    return text


def parse_json(raw: bytes) -> Any:
    """Return the value of a JSON text. Raises ParseError, with the position where there is one."""
    text = decoded(raw)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as error:
        raise ParseError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        raise ParseError("The body holds a number that is too long.") from error
    _check(value, 1)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ParseError(f"The key {twice[:80]!r} stands twice in one object.")
    return found


def _refuse_constant(name: str) -> Any:
    raise ParseError(f"{name} is not JSON.")


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ParseError(f"The number {text[:40]} is out of range.")
    return value


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")
        if isinstance(value, dict):
            for key in value:
                _check_text(key)
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth + 1)


def _check_text(text: str) -> None:
    """PostgreSQL stores neither NUL nor half a surrogate pair, so neither comes in."""
    if "\0" in text:
        raise ParseError("The body contains NUL.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError("The body contains half a surrogate pair.")


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that names every unknown or read-only field as a problem instead of dropping it."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown(data)
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**_as_dict(error.detail), **unknown}) from error
        if unknown:
            raise ValidationError(unknown)
        return value

    def _unknown(self, data: Any) -> dict[str, list[ErrorDetail]]:
        if not isinstance(data, Mapping):
            return {}
        known = {name for name, field in self.fields.items() if not field.read_only}
        return {
            str(name)[:120]: [
                ErrorDetail("There is no such field, or it cannot be set.", code="unknown_field")
            ]
            for name in data
            if name not in known
        }


def _as_dict(detail: Any) -> dict[str, Any]:
    return dict(detail) if isinstance(detail, Mapping) else {"non_field_errors": detail}
