"""Fallbacks and members of groups as people write them in one line, and back.

A fallback: `spare`, `spare/model`, `/model` (the same connection), `for this model: spare`. A member: `east`,
`east/model`, `east*2` (twice the calls). Several are separated by commas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Entry = str | Mapping[str, Any]


def write_fallbacks(entries: Sequence[Entry]) -> str:
    """Return the line that stands for the entries of the option `fallbacks`."""
    return ", ".join(_fallback_text(one) for one in entries)


def read_fallbacks(text: str) -> list[Entry]:
    """Return the entries of the option `fallbacks` that a line stands for."""
    return [_fallback(part.strip()) for part in text.replace("\n", ",").split(",") if part.strip()]


def write_members(entries: Sequence[Entry]) -> str:
    """Return the line that stands for the entries of the option `members`."""
    return ", ".join(_member_text(one) for one in entries)


def read_members(text: str) -> list[Entry]:
    """Return the entries of the option `members` that a line stands for; a weight that is no number stays text."""
    return [_member(part.strip()) for part in text.replace("\n", ",").split(",") if part.strip()]


def _fallback_text(entry: Entry) -> str:
    if isinstance(entry, str):
        return entry
    place = str(entry.get("connection") or "")
    place += f"/{entry['model']}" if entry.get("model") else ""
    return f"{entry['for']}: {place}" if entry.get("for") else place


def _fallback(text: str) -> Entry:
    only_for, mark, place = text.rpartition(": ")
    connection, _, model = place.strip().partition("/")
    if not mark and not model:
        return connection
    fields = {"for": only_for.strip(), "connection": connection, "model": model}
    return {key: value for key, value in fields.items() if value}


def _member_text(entry: Entry) -> str:
    if isinstance(entry, str):
        return entry
    place = str(entry["connection"]) + (f"/{entry['model']}" if entry.get("model") else "")
    return f"{place}*{entry['weight']:g}" if entry.get("weight") else place


def _member(text: str) -> Entry:
    place, mark, weight = text.rpartition("*")
    connection, _, model = (place if mark else weight).strip().partition("/")
    fields: dict[str, Any] = {"connection": connection} | ({"model": model} if model else {})
    if mark:
        fields["weight"] = _number(weight)
    return connection if len(fields) == 1 else fields


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
