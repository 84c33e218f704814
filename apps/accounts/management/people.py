"""How commands find the person they are about."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db.models import Q

from apps.accounts.models import User


def find_person(name: str) -> User:
    """Return the active person with this user name or e-mail address. Raises CommandError."""
    user = User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name), is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active person called {name!r}.")
    return user
