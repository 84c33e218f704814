"""What the structured options of a connection must be: those that say where its calls go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from orchestra.errors import Problem

MAX_FALLBACKS = 10


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


SPECIAL: Mapping[str, Callable[[Any, str], list[Problem]]] = {"fallbacks": _fallback_problems}
"""Options with a check of their own."""
