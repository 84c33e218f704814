"""How commands find the person they are about."""

from __future__ import annotations

import json

from django.conf import settings
from django.core.management.base import CommandError
from django.db.models import Q

from apps.accounts.models import User

USUAL_PLACE = "http://localhost:8000"


def served_at() -> str:
    """Return the address under which `manage.py up` serves this data folder, or the usual one."""
    try:
        written = json.loads((settings.VAR_DIR / "run" / "orchestra.lock").read_bytes())
        return str(written["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return USUAL_PLACE


def find_person(name: str) -> User:
    """Return the active person with this user name or e-mail address. Raises CommandError."""
    user = User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name), is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active person called {name!r}.")
    return user
