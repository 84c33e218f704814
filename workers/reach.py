"""Ask each service that the environment names whether it answers; one sentence when it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _
from kombu.connection import Connection

SECONDS = 5


def problems(*, with_broker: bool = True) -> Iterator[str]:
    """Yield one sentence for each service that does not answer (database, broker, Redis)."""
    checks: list[tuple[str, Callable[[], str]]] = [("DATABASE_URL", database)]
    if with_broker:
        checks += [("BROKER_URL", broker), ("REDIS_URL", redis_server)]
    for name, check in checks:
        reason = check()
        if reason:
            yield _(
                "%(name)s: nothing usable answers at %(place)s (%(reason)s). Start it, or correct %(name)s."
            ) % {
                "name": name,
                "place": place(name),
                "reason": reason,
            }


def database() -> str:
    """Return why the database cannot be used, or ""."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        return _first_line(error)
    return ""


def broker() -> str:
    """Return why the broker cannot be used, or ""."""
    url = settings.BROKER_URL
    if not url.startswith("amqp"):
        return _ping(url) if url.startswith(("redis", "rediss")) else ""
    try:
        with Connection(url, connect_timeout=SECONDS) as link:  # type: ignore[no-untyped-call]  # kombu has no types
            link.connect()
    except Exception as error:
        return _first_line(error)
    return ""


def redis_server() -> str:
    """Return why Redis cannot be used, or "" (also where none is configured)."""
    return _ping(settings.REDIS_URL) if settings.REDIS_URL else ""


def place(name: str) -> str:
    """Return the host and port (or path) of a service, without its credentials."""
    if name == "DATABASE_URL":
        values = connection.settings_dict
        return f"{values['HOST']}:{values['PORT'] or 5432}" if values["HOST"] else str(values["NAME"])
    parts = urlsplit(str(getattr(settings, name)))
    return parts.netloc.rpartition("@")[2] or parts.path


def _ping(url: str) -> str:
    client = redis.Redis.from_url(
        url.replace("redis+socket://", "unix://"), socket_connect_timeout=SECONDS, socket_timeout=SECONDS
    )
    try:
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return _first_line(error)
    finally:
        client.close()
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
