"""Who calls over MCP: an API key or an access token, from a page of this site or no page at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from apps.accounts.authentication import SCHEME, Refused, verify_bearer
from apps.accounts.models import ApiKey, Team, User
from apps.accounts.scopes import Scope, expand

LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Guest:
    """Who calls, for which team, with which scopes."""

    user: User
    team: Team
    scopes: frozenset[Scope]


def is_ours(scope: Mapping[str, Any]) -> bool:
    """Say whether `Host`, and `Origin` where there is one, name this site: no foreign page may call by rebinding."""
    headers = _headers(scope)
    host = headers.get("host", "")
    if not _is_allowed(split_domain_port(host)[0]):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def find_guest(scope: Mapping[str, Any]) -> Guest | None:
    """Return whom the request's `Authorization` speaks for, or None. Asks the database."""
    headers = _headers(scope)
    kind, _, credential = headers.get("authorization", "").partition(" ")
    if kind.lower() != SCHEME.lower() or not credential.isascii() or len(credential) > LONGEST:
        return None
    try:
        user, proof = verify_bearer(credential.strip())
    except Refused:
        return None
    if isinstance(proof, ApiKey):
        return Guest(user, proof.team, expand(proof.scopes))
    mine = Team.objects.filter(pk__in=list(user.roles)).order_by("memberships__created_at")
    named = headers.get("x-team")
    team = mine.filter(slug=named).first() if named else mine.first()
    return None if team is None else Guest(user, team, frozenset(Scope))


def _is_allowed(domain: str) -> bool:
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    return bool(domain) and validate_host(domain, allowed)


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
