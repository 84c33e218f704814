"""What the structured options of a connection must be: those that say where its calls go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from orchestra.errors import Problem
from orchestra.llm.balance import STRATEGIES

MAX_FALLBACKS = 10
MAX_MEMBERS = 20


def _fallback_problems(value: Any, path: str) -> list[Problem]:
    """A list of short names, or of `{connection, model, for}`: what to try next, for one model or for all."""
    fields = {"connection", "model", "for"}
    is_list = isinstance(value, list) and len(value) <= MAX_FALLBACKS
    if is_list and all(
        (isinstance(one, str) and one)
        or (
            isinstance(one, Mapping)
            and one.keys() <= fields
            and (one.get("connection") or one.get("model"))
            and all(isinstance(text, str) for text in one.values())
        )
        for one in value
    ):
        return []
    message = _("A list of at most %(count)s short names, or of objects with connection, model and for.")
    return [Problem(path, "invalid", message % {"count": MAX_FALLBACKS})]


def _strategy_problems(value: Any, path: str) -> list[Problem]:
    if value in STRATEGIES:
        return []
    return [Problem(path, "invalid", _("One of: %(names)s.") % {"names": ", ".join(STRATEGIES)})]


def _member_problems(value: Any, path: str) -> list[Problem]:
    """A list of short names, or of `{connection, weight, model}`."""
    if isinstance(value, list) and len(value) <= MAX_MEMBERS and all(_is_member(one) for one in value):
        return []
    message = _("A list of at most %(count)s short names, or of objects with connection, weight and model.")
    return [Problem(path, "invalid", message % {"count": MAX_MEMBERS})]


def _is_member(one: Any) -> bool:
    if isinstance(one, str):
        return bool(one)
    if not isinstance(one, Mapping) or not one.keys() <= {"connection", "weight", "model"}:
        return False
    weight = one.get("weight", 1)
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    texts = (one.get("connection"), one.get("model", "-"))
    return is_number and 0.01 <= weight <= 1000 and all(isinstance(text, str) and text for text in texts)


SPECIAL: Mapping[str, Callable[[Any, str], list[Problem]]] = {
    "fallbacks": _fallback_problems,
    "strategy": _strategy_problems,
    "members": _member_problems,
}
"""Options with a check of their own."""
