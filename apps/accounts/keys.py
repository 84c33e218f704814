"""API keys: `ork_<prefix>_<secret>`, found by the prefix, known only by a hash of the secret."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.models import ApiKey, Membership, Role, Team, User
from orchestra.sql_rows import columns, read, width

MARK = "ork_"
SHAPE = re.compile(r"ork_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
USE_IS_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown once, and the two parts of it that are stored."""

    text: str
    prefix: str
    key_hash: str


def new_key() -> NewKey:
    """Make a key with 256 random bits."""
    prefix = secrets.token_hex(6)
    secret = secrets.token_urlsafe(32)
    return NewKey(text=f"{MARK}{prefix}_{secret}", prefix=prefix, key_hash=digest(secret))


def digest(secret: str) -> str:
    """Return what is stored of a random secret: its SHA-256 (256 random bits need no slow hash)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_key(text: str) -> ApiKey | None:
    """Return the live key of an active person who is still in the key's team, or None."""
    shape = SHAPE.fullmatch(text)
    if shape is None:
        return None
    prefix, secret = shape.groups()
    key, role = _find(prefix)
    if key is None or not constant_time_compare(key.key_hash, digest(secret)) or not is_live(key):
        return None
    if role is None:
        return None
    key.user.limit_to(key.team_id, Role(role))
    return key


def _find(prefix: str) -> tuple[ApiKey | None, str | None]:
    """Return a key with its person and team, and what the person is in the team: one query for every request."""
    with connection.cursor() as cursor:
        cursor.execute(_text(), [prefix])
        row = cursor.fetchone()
    if row is None:
        return None, None
    role, *values = row
    person, team = width(ApiKey), width(ApiKey) + width(User)
    key = read(ApiKey, values[:person])
    key.user, key.team = read(User, values[person:team]), read(Team, values[team:])
    return key, role


@cache
def _text() -> str:
    return (
        f"SELECT m.role, {columns(ApiKey, 'k')}, {columns(User, 'u')}, {columns(Team, 't')}"  # noqa: S608  (constants only)
        f" FROM {ApiKey._meta.db_table} k"
        f" JOIN {User._meta.db_table} u ON u.id = k.user_id JOIN {Team._meta.db_table} t ON t.id = k.team_id"
        f" LEFT JOIN {Membership._meta.db_table} m ON m.user_id = k.user_id AND m.team_id = k.team_id"
        " WHERE k.prefix = %s"
    )


def is_live(key: ApiKey) -> bool:
    """Say whether a key is neither revoked nor expired, and its owner is active."""
    is_expired = key.expires_at is not None and key.expires_at <= timezone.now()
    return key.revoked_at is None and not is_expired and key.user.is_active


def note_use(key: ApiKey) -> None:
    """Write down that a key was used, at most once a minute, so that reading stays cheap."""
    now = timezone.now()
    before = now - USE_IS_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > before:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
