"""What agents can do and what nodes require of them: names with constraints, compared without any I/O.

A capability is `{"name": "translate", "languages": ["de", "fr"], "characters": 8000}`, or the same as text:
`translate;languages=de|fr;characters=8000`. A requirement has the same form with the values that are needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Capability = Mapping[str, Any]

NAME = re.compile(r"[^;|=,\s](?:[^;|=,\r\n\t]{0,58}[^;|=,\s])?")
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST = 50
MOST_CONSTRAINTS = 20
MOST_VALUES = 200
VALUE_CHARACTERS = 120
LOWEST = "min_"
"""Begins constraints whose number is the least that a capability takes; others are the most."""


class BadCapability(ValueError):
    """This is no capability; the message says what one looks like."""


def read_all(raw: Any) -> list[dict[str, Any]]:
    """Return a list of capabilities or requirements in their full form. Raises BadCapability."""
    if isinstance(raw, str | Mapping) or not isinstance(raw, Sequence) or len(raw) > MOST:
        raise BadCapability(f"A list of at most {MOST} capabilities is needed.")
    return [read(one) for one in raw]


def read(raw: Any) -> dict[str, Any]:
    """Return one capability, given as text or as an object, in its full form. Raises BadCapability."""
    found = _from_text(raw) if isinstance(raw, str) else raw
    if not isinstance(found, Mapping):
        raise BadCapability("A capability is a text, or an object with a name and constraints.")
    name = found.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name.strip()):
        raise BadCapability("A capability's name has 1 to 60 characters, none of them ; | = or a comma.")
    constraints = {key: value for key, value in found.items() if key != "name"}
    if len(constraints) > MOST_CONSTRAINTS:
        raise BadCapability(f"A capability has at most {MOST_CONSTRAINTS} constraints.")
    for key, value in constraints.items():
        _check(str(key), value)
    return {"name": name.strip().lower(), **constraints}


def as_text(capability: Capability) -> str:
    """Return a capability as one line of text, which `read` takes again."""
    parts = [f"{key}={_value_text(value)}" for key, value in capability.items() if key != "name"]
    return ";".join([str(capability["name"]), *parts])


def names_of(capabilities: Sequence[Capability]) -> list[str]:
    return list(dict.fromkeys(str(one["name"]) for one in capabilities))


def can_handle(capabilities: Sequence[Capability], requires: Sequence[Capability]) -> bool:
    """Say whether capabilities meet every requirement."""
    return not shortfalls(capabilities, requires)


def shortfalls(capabilities: Sequence[Capability], requires: Sequence[Capability]) -> list[str]:
    """Return a sentence for each requirement that is not met.

    Of several capabilities of one name one must meet the whole requirement. What a capability does not mention it
    does not restrict, except that a `true` must be mentioned. A list holds the values that are possible, a number is
    the most that is possible (of `min_…` the least), anything else must be equal.
    """
    found = [_shortfall(capabilities, need) for need in requires]
    return [sentence for sentence in found if sentence]


def _shortfall(capabilities: Sequence[Capability], need: Capability) -> str:
    same = [one for one in capabilities if one["name"] == need["name"]]
    if not same:
        return f"It cannot {need['name']}."
    reasons = [_misfit(one, need) for one in same]
    return "" if "" in reasons else reasons[0]


def _misfit(have: Capability, need: Capability) -> str:
    for key, wanted in need.items():
        if key == "name":
            continue
        if not _fits(key, have.get(key), wanted):
            limit = f"it has {_value_text(have[key])}" if key in have else "it does not say so"
            return f"{need['name']}: {key}={_value_text(wanted)} is needed, {limit}."
    return ""


def _fits(key: str, have: Any, wanted: Any) -> bool:
    if have is None:
        return wanted is not True
    if isinstance(have, list):
        return all(one in have for one in (wanted if isinstance(wanted, list) else [wanted]))
    if _is_number(have) and _is_number(wanted):
        return bool(wanted >= have if key.startswith(LOWEST) else wanted <= have)
    return bool(have == wanted)


def _check(key: str, value: Any) -> None:
    if not KEY.fullmatch(key):
        raise BadCapability(f"A constraint's name has small letters, digits and _: not {key[:40]!r}.")
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_VALUES or not all(_is_plain(one) for one in values):
        raise BadCapability(f"The constraint {key} is a text, a number, true or false, or a list of those.")


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= VALUE_CHARACTERS and not set(value) & set(";|=\n")
    return isinstance(value, bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _from_text(text: str) -> dict[str, Any]:
    name, *parts = text.split(";")
    found: dict[str, Any] = {"name": name.strip()}
    for part in parts:
        key, sign, value = part.partition("=")
        values = [_value(one.strip()) for one in value.split("|")] if sign else [True]
        found[key.strip()] = values if len(values) > 1 else values[0]
    return found


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(_value_text(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
