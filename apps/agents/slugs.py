"""Short names for agents and connections: made from the name, numbered where it is taken."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import count
from typing import Any

from django.db.models import QuerySet
from django.utils.text import slugify
from django.utils.translation import gettext as _

from orchestra.errors import InvalidInput, Problem

LONGEST = 80
PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
RESERVED = frozenset({"new", "match", "register", "health", "test", "tokens", "remote", "work"})
"""Words that stand at a short name's place in URLs."""


def check_slug(text: str, reserved: Collection[str] = RESERVED) -> None:
    """Check a short name that somebody chose. Raises InvalidInput."""
    if not PATTERN.fullmatch(text):
        message = _("Use lower-case letters, digits, “-” and “_”, starting with a letter or digit.")
        raise InvalidInput(problems=[Problem("slug", "invalid", message)])
    if text in reserved:
        message = _("“%(word)s” is a word of the addresses here; choose another.") % {"word": text}
        raise InvalidInput(problems=[Problem("slug", "reserved", message)])


def free_slug(rows: QuerySet[Any], name: str, fallback: str) -> str:
    """Return a short name for `name` that none of the rows has; `fallback` if no ASCII is left of it."""
    plain = unicodedata.normalize("NFKD", name.lower())
    base = slugify(plain)[: LONGEST - 10].strip("-_") or fallback
    taken = set(rows.filter(slug__startswith=base).values_list("slug", flat=True)) | RESERVED
    if base not in taken:
        return base
    return next(slug for number in count(2) if (slug := f"{base}-{number}") not in taken)
