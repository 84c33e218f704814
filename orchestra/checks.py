"""What `manage.py check --deploy` says about an installation that is about to face the world, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from orchestra import env

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})
SHORT_TOKEN = 24


@register(Tags.security)
def admin_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The admin's address must be a path of its own."""
    url = settings.ADMIN_URL
    if url.endswith("/") and not url.startswith("/") and url != "/":
        return []
    hint = "Set ADMIN_URL to a path such as admin/: without a slash in front, with one at the end."
    return [Error(f"ADMIN_URL is {url!r}.", hint=hint, id="orchestra.E001")]


@register(Tags.security, deploy=True)
def transport(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The world comes over TLS and under a known name."""
    found: list[CheckMessage] = []
    if not settings.IS_SECURE:
        found.append(
            Warning(
                "Cookies and pages may travel in the clear.",
                hint="Put a proxy with TLS in front and set ORCHESTRA_HTTPS=1 (and ORCHESTRA_BEHIND_PROXY=1).",
                id="orchestra.W001",
            )
        )
    if not set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS:
        found.append(
            Warning(
                "Only this machine's own names are served.",
                hint="Set ALLOWED_HOSTS to the names that people use, such as orchestra.example.org.",
                id="orchestra.W002",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Warning(
                "Every host name is believed, in links of mails too.",
                hint="Set ALLOWED_HOSTS to the names that people use.",
                id="orchestra.W003",
            )
        )
    return found


@register(Tags.security, deploy=True)
def secrets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Secrets come from the environment, where they are backed up and shared by every host."""
    found: list[CheckMessage] = []
    for name, number in (("SECRET_KEY", "W004"), ("FIELD_KEYS", "W005")):
        if not env.text(name):
            hint = f"Set {name} (or {name}_FILE): generate it once, keep it with your other secrets."
            found.append(Warning(f"{name} was made on this machine.", hint=hint, id=f"orchestra.{number}"))
    token = settings.ORCHESTRA_METRICS_TOKEN
    if token and len(token) < SHORT_TOKEN:
        hint = f"Set ORCHESTRA_METRICS_TOKEN to at least {SHORT_TOKEN} random characters."
        found.append(Warning("The metrics token can be guessed.", hint=hint, id="orchestra.W006"))
    return found


@register(Tags.security, deploy=True)
def drivers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Several hosts share a database and a broker; an embedded one stays on its own."""
    found: list[CheckMessage] = []
    is_shared = "postgresql" in str(settings.DATABASES["default"]["ENGINE"])
    if not is_shared:
        hint = "Set DATABASE_URL=postgres://… for more than one machine or more than a few people."
        found.append(Warning("The database is a file of this machine.", hint=hint, id="orchestra.W007"))
    if settings.IS_EMBEDDED and is_shared:
        hint = "Set BROKER_URL to a Redis or RabbitMQ that every host reaches."
        found.append(
            Warning(
                "The database can be shared between hosts, the embedded broker cannot.",
                hint=hint,
                id="orchestra.W008",
            )
        )
    if not settings.REDIS_URL:
        hint = "Set REDIS_URL: without it, locks, limits and live pages end at one process."
        found.append(Warning("There is no shared cache.", hint=hint, id="orchestra.W009"))
    return found


@register(Tags.security, deploy=True)
def operator_plane(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Mail reaches people, and Flower is reached by nobody but the proxy."""
    found: list[CheckMessage] = []
    if settings.EMAIL_BACKEND.endswith((".console.EmailBackend", ".dummy.EmailBackend")):
        hint = "Set EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend and EMAIL_HOST."
        found.append(
            Warning("Mails, such as for a forgotten password, reach nobody.", hint=hint, id="orchestra.W010")
        )
    flower = urlsplit(settings.ORCHESTRA_FLOWER_URL)
    if settings.ORCHESTRA_FLOWER_URL and flower.scheme not in {"http", "https"}:
        hint = "Set ORCHESTRA_FLOWER_URL to something like http://127.0.0.1:5555/flower."
        found.append(Error("ORCHESTRA_FLOWER_URL is no web address.", hint=hint, id="orchestra.E002"))
    return found
