"""Short names for agents and connections: made from the name, numbered where it is taken."""

from __future__ import annotations

import re
import unicodedata
from itertools import count
from typing import Any

from django.db.models import QuerySet
from django.utils.text import slugify

LONGEST = 80
PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
RESERVED = frozenset({"new", "match", "register", "health", "test"})
"""Words that stand at a short name's place in URLs."""


def is_slug(text: str) -> bool:
    """Say whether this can be a short name."""
    return bool(PATTERN.fullmatch(text)) and text not in RESERVED


def free_slug(rows: QuerySet[Any], name: str, fallback: str) -> str:
    """Return a short name for `name` that none of the rows has; `fallback` if no ASCII is left of it."""
    plain = unicodedata.normalize("NFKD", name.lower())
    base = slugify(plain)[: LONGEST - 10].strip("-_") or fallback
    taken = set(rows.filter(slug__startswith=base).values_list("slug", flat=True)) | RESERVED
    if base not in taken:
        return base
    return next(slug for number in count(2) if (slug := f"{base}-{number}") not in taken)
