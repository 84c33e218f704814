"""Short names for workflows: made from the name where its letters allow, numbered where they do not."""

from __future__ import annotations

import re
import unicodedata
from itertools import count

from django.utils.text import slugify

from apps.workflows.models import Workflow

LONGEST = 80
PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
RESERVED = frozenset({"validate", "import", "new"})
"""Words that stand at a workflow's place in URLs."""

LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})


def is_slug(text: str) -> bool:
    """Say whether this can be a workflow's short name."""
    return bool(PATTERN.fullmatch(text)) and text not in RESERVED


def free_slug(team_id: object, name: str) -> str:
    """Return a short name for `name` that no workflow of the team has, archived ones included."""
    base = from_name(name) or "workflow"
    near = Workflow.objects.filter(team_id=team_id, slug__startswith=base[: LONGEST - 10])
    taken = set(near.values_list("slug", flat=True)) | RESERVED
    is_plain = base != "workflow"
    if is_plain and base not in taken:
        return base
    numbers = count(2 if is_plain else 1)
    return next(slug for n in numbers if (slug := f"{base[: LONGEST - 10]}-{n}") not in taken)


def from_name(name: str) -> str:
    """Return the name in ASCII letters, digits and hyphens; "" when nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(LETTERS))
    return slugify(plain)[:LONGEST].strip("-_")
