"""Ask each service that the environment names whether it answers; one sentence when it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from orchestra import health


def problems(*, with_broker: bool = True) -> Iterator[str]:
    """Yield one sentence for each service that does not answer (database, broker, Redis)."""
    checks: list[tuple[str, Callable[[], None]]] = [("DATABASE_URL", health.ask_database)]
    if with_broker:
        checks.append(("BROKER_URL", health.ask_broker))
    if with_broker and settings.REDIS_URL:
        checks.append(("REDIS_URL", health.ask_cache))
    for name, ask in checks:
        try:
            ask()
        except Exception as error:
            values = {"name": name, "place": place(name), "reason": reason(error)}
            yield (
                _(
                    "%(name)s: nothing usable answers at %(place)s (%(reason)s). Start it, or correct %(name)s."
                )
                % values
            )


def place(name: str) -> str:
    """Return the host and port (or path) of a service, without its credentials."""
    if name == "DATABASE_URL":
        values = connection.settings_dict
        return f"{values['HOST']}:{values['PORT'] or 5432}" if values["HOST"] else str(values["NAME"])
    parts = urlsplit(str(getattr(settings, name)))
    return parts.netloc.rpartition("@")[2] or parts.path


def reason(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
