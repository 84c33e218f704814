"""API keys: `ork_<prefix>_<secret>`, found by the prefix, known only by a hash of the secret."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.models import ApiKey

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
    key = ApiKey.objects.select_related("user", "team").filter(prefix=prefix).first()
    if key is None or not constant_time_compare(key.key_hash, digest(secret)) or not is_live(key):
        return None
    key.user.limit_to(key.team_id)
    return key if key.user.roles else None


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
