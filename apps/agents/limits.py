"""What a connection allows: its limits, and the account at the provider that they belong to."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from uuid import UUID

from django.conf import settings

from apps.agents import crypto
from apps.agents.models import Connection
from orchestra.llm.limits import Limits

OPTIONS = {"requests_per_minute": "requests", "tokens_per_minute": "tokens", "concurrency": "concurrency"}
"""Options of a connection and the limits they set."""


def limits_of(connection: Connection) -> Limits:
    """Return the limits of a connection."""
    return Limits(**{field: int(connection.options.get(name) or 0) for name, field in OPTIONS.items()})


def account_of(connection: Connection) -> str:
    """Return a name for the account that a connection uses; connections with the same key share it, across teams.

    Raises UnreadableSecret.
    """
    if not connection.secret:
        return f"connection:{connection.pk}"
    return _account(connection.pk, connection.dialect, connection.base_url, connection.secret)


@lru_cache(maxsize=500)
def _account(key: UUID, dialect: str, base_url: str, stored: str) -> str:
    text = f"{dialect} {base_url} {crypto.decrypt(stored, row=key, field='secret')}"
    digest = hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"key:{digest[:32]}"
