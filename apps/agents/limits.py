"""What a connection allows: its limits and the account that they belong to, its breaker, its patience."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from uuid import UUID

from django.conf import settings

from apps.agents import crypto
from apps.agents.models import Connection, ConnectionKey, Dialect
from orchestra.llm.breaker import BreakerRules
from orchestra.llm.limits import Limits
from orchestra.llm.patience import NO_PATIENCE, Patience

OPTIONS = {"requests_per_minute": "requests", "tokens_per_minute": "tokens", "concurrency": "concurrency"}
"""Options of a connection and the limits they set."""


def limits_of(connection: Connection) -> Limits:
    """Return the limits of a connection."""
    return Limits(**{field: int(connection.options.get(name) or 0) for name, field in OPTIONS.items()})


def breaker_of(connection: Connection) -> BreakerRules | None:
    """Return when its breaker opens; the simulated model, which fails as told to, has one if its options say so."""
    given = connection.options.get("breaker_failures")
    if given == 0 or (given is None and connection.dialect == Dialect.SIMULATED):
        return None
    rules = BreakerRules()
    return BreakerRules(
        failures=int(given or rules.failures),
        open_seconds=float(connection.options.get("breaker_seconds") or rules.open_seconds),
    )


def patience_of(connection: Connection) -> Patience:
    """Return how often a call is made again before the node or the next target has its turn."""
    given = connection.options.get("retries")
    if given is not None:
        return Patience(retries=int(given))
    return NO_PATIENCE if connection.dialect == Dialect.SIMULATED else Patience()


def account_of(connection: Connection, further: ConnectionKey | None = None) -> str:
    """Return a name for the account that a connection uses; connections with the same key share it, across teams.

    Raises UnreadableSecret.
    """
    holder = further or connection
    if not holder.secret:
        return f"connection:{connection.pk}"
    return _account(holder.pk, connection.dialect, connection.base_url, holder.secret)


@lru_cache(maxsize=500)
def _account(key: UUID, dialect: str, base_url: str, stored: str) -> str:
    text = f"{dialect} {base_url} {crypto.decrypt(stored, row=key, field='secret')}"
    digest = hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"key:{digest[:32]}"
