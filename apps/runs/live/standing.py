"""Who a connection speaks for, and whether that still holds: sessions, tokens, memberships, read from the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.authentication import SCHEME, Refused, verify_bearer
from apps.accounts.models import ApiKey, Membership, User
from apps.accounts.scopes import Scope, expand
from orchestra.errors import NotPermitted

IN_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Credential:
    """What a connection showed when it came: the key of a session, or a bearer token."""

    user_id: str
    session_key: str = ""
    bearer: str = ""


def recognise(request: HttpRequest) -> Credential:
    """Say who sends a request and put them on it as `request.user`. Raises Refused (401) for strangers.

    Raises NotPermitted for an API key that may not read. Tokens are taken from the header only, never from
    the address, which ends up in logs.
    """
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == SCHEME.lower():
        return _recognise_bearer(request, bearer.strip())
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = _user_of(dict(request.session.items())) if session_key else None
    if user is None:
        raise Refused
    request.user = user
    return Credential(str(user.pk), session_key=session_key)


def _recognise_bearer(request: HttpRequest, bearer: str) -> Credential:
    user, shown = verify_bearer(bearer)
    if isinstance(shown, ApiKey) and Scope.READ not in expand(shown.scopes):
        raise NotPermitted("This API key lacks the scope for that.")
    request.user = user
    return Credential(str(user.pk), bearer=bearer)


def _user_of(session: dict[str, Any]) -> User | None:
    """Return the active user whose password a session still knows, without touching the session."""
    if SESSION_KEY not in session or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=str(session[SESSION_KEY]), is_active=True).first()
    if user is None:
        return None
    known = str(session.get(HASH_SESSION_KEY, ""))
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(known, one) for one in hashes) else None


class Standing:
    """Tells which credentials still hold, and for which teams: a few queries for any number of them."""

    def __init__(self) -> None:
        self._verified: dict[Credential, tuple[str, str]] = {}
        """Session and password as they were when the credential was last looked at closely."""

    def teams(self, credentials: Collection[Credential]) -> dict[Credential, frozenset[str]]:
        """Return the teams of each credential that still holds; the others are missing."""
        sessions = [one for one in credentials if one.session_key]
        held = {
            one: teams for one in credentials if one.bearer and (teams := _teams_of(one.bearer)) is not None
        }
        users = _passwords(one.user_id for one in sessions)
        data = _sessions(one.session_key for one in sessions)
        members = _memberships(one.user_id for one in sessions)
        verified = {}
        for one in sessions:
            now = (data.get(one.session_key, ""), users.get(one.user_id, ""))
            if all(now) and (self._verified.get(one) == now or self._holds(one)):
                verified[one] = now
                held[one] = members.get(one.user_id, frozenset())
        self._verified = verified
        return held

    @staticmethod
    def _holds(one: Credential) -> bool:
        session = import_module(settings.SESSION_ENGINE).SessionStore(one.session_key)
        user = _user_of(dict(session.items()))
        return user is not None and str(user.pk) == one.user_id


def _teams_of(bearer: str) -> frozenset[str] | None:
    try:
        user, shown = verify_bearer(bearer)
    except Refused:
        return None
    if isinstance(shown, ApiKey) and Scope.READ not in expand(shown.scopes):
        return None
    return frozenset(str(team) for team in user.roles)


def _passwords(user_ids: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in _some(user_ids):
        rows = User.objects.filter(pk__in=some, is_active=True).values_list("pk", "password")
        found.update({str(pk): password for pk, password in rows})
    return found


def _sessions(keys: Iterable[str]) -> dict[str, str]:
    model = import_module(settings.SESSION_ENGINE).SessionStore.get_model_class()
    found: dict[str, str] = {}
    for some in _some(keys):
        rows = model.objects.filter(session_key__in=some, expire_date__gt=timezone.now())
        found.update(dict(rows.values_list("session_key", "session_data")))
    return found


def _memberships(user_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for some in _some(user_ids):
        for user_id, team_id in Membership.objects.filter(user_id__in=some).values_list("user_id", "team_id"):
            found[str(user_id)] = found.get(str(user_id), frozenset()) | {str(team_id)}
    return found


def _some(values: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), IN_LIMIT):
        yield distinct[start : start + IN_LIMIT]
