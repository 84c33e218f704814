"""Scopes: what an API key may be used for, on top of what its owner's role allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts.models import ApiKey


class Scope(models.TextChoices):
    """What a key may do, from least to most."""

    READ = "read", _("Read")
    RUN = "run", _("Start and cancel runs")
    WRITE = "write", _("Change workflows, agents and connections")
    ADMIN = "admin", _("Everything, members and keys included")


INCLUDES: Mapping[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.RUN: frozenset({Scope.READ, Scope.RUN}),
    Scope.WRITE: frozenset({Scope.READ, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}


def expand(scopes: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes with everything they include; unknown words grant nothing."""
    known = {member.value: member for member in Scope}
    return frozenset(one for word in scopes if word in known for one in INCLUDES[known[word]])


class HasScope(BasePermission):
    """Asks of an API key the scope that a view needs; people who logged in have them all.

    A view says what its writes need by `scope` (default `write`), and what its reads need by `read_scope`
    (default `read`).
    """

    message = _("This API key lacks the scope for that.")

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        if request.method in SAFE_METHODS:
            needed = getattr(view, "read_scope", Scope.READ)
        else:
            needed = getattr(view, "scope", Scope.WRITE)
        return needed in expand(request.auth.scopes)


class IsStaff(BasePermission):
    """Operators only; an API key needs the scope `admin` as well."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, ApiKey) and Scope.ADMIN not in expand(request.auth.scopes):
            return False
        return bool(request.user and request.user.is_authenticated and request.user.is_staff)
