"""What pages ask first: who is looking."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from apps.accounts.models import User


def person_of(request: HttpRequest) -> User:
    """Return the logged-in user of a page behind `login_required`. Raises PermissionDenied for strangers."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
