"""`check --deploy`: clean where production is set up well, and saying what to set where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestra import checks

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "ORCHESTRA_HTTPS": "1",
    "ORCHESTRA_BEHIND_PROXY": "1",
    "SECRET_KEY": "k7-" + "Zq3vX9w" * 8,
    "FIELD_KEYS": "f4-" + "Yp2uW8r" * 8,
    "ALLOWED_HOSTS": "orchestra.example.org",
    "DATABASE_URL": "postgres://orchestra:secret@db.example.org/orchestra",
    "BROKER_URL": "rediss://:secret@redis.example.org/0",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_HOST": "mail.example.org",
}


def check(var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env={**kept, "ORCHESTRA_VAR": str(var), **environment}, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip


def test_production_settings_are_clean(tmp_path: Path) -> None:
    done = check(tmp_path, **PRODUCTION)

    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_embedded_default_says_what_production_needs(tmp_path: Path) -> None:
    done = check(tmp_path)

    said = done.stdout + done.stderr
    assert done.returncode == 1
    for name in (
        "ORCHESTRA_HTTPS",
        "ALLOWED_HOSTS",
        "SECRET_KEY",
        "FIELD_KEYS",
        "DATABASE_URL",
        "EMAIL_HOST",
    ):
        assert name in said, name


def test_debug_and_a_weak_key_are_named(tmp_path: Path) -> None:
    done = check(tmp_path, **{**PRODUCTION, "DEBUG": "1", "SECRET_KEY": "django-insecure-short"})

    assert done.returncode == 1
    assert "security.W018" in done.stderr
    assert "security.W009" in done.stderr


def ids(found: list[Any]) -> set[str]:
    return {message.id for message in found}


def test_an_embedded_broker_with_a_shared_database_is_named(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IS_EMBEDDED = True
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")

    assert "orchestra.W008" in ids(checks.drivers(None))
    settings.IS_EMBEDDED = False
    assert "orchestra.W008" not in ids(checks.drivers(None))


def test_every_host_is_named(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert "orchestra.W003" in ids(checks.transport(None))


@pytest.mark.parametrize("url", ["", "/", "/admin/", "admin"])
def test_an_admin_address_that_does_not_work_is_an_error(settings: Any, url: str) -> None:
    settings.ADMIN_URL = url

    assert ids(checks.admin_url(None)) == {"orchestra.E001"}


def test_a_guessable_metrics_token_is_named(settings: Any) -> None:
    settings.ORCHESTRA_METRICS_TOKEN = "metrics"

    assert "orchestra.W006" in ids(checks.secrets(None))


def test_a_flower_that_is_no_web_address_is_an_error(settings: Any) -> None:
    settings.ORCHESTRA_FLOWER_URL = "file:///etc/passwd"

    assert "orchestra.E002" in ids(checks.operator_plane(None))


def test_every_message_says_how_to_mend_it(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "FIELD_KEYS"):
        monkeypatch.delenv(name, raising=False)
    settings.REDIS_URL = ""

    found = [
        message
        for ask in (checks.transport, checks.secrets, checks.drivers, checks.operator_plane)
        for message in ask(None)
    ]

    assert found
    assert all(message.hint for message in found)


def test_cookies_over_tls_are_bound_to_the_host(tmp_path: Path) -> None:
    names = ["SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME", "THEME_COOKIE_NAME"]
    flags = [
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "LANGUAGE_COOKIE_SECURE",
        "SESSION_COOKIE_HTTPONLY",
    ]
    script = f"from orchestra import settings as s; print(*([getattr(s, n) for n in k] for k in ({names}, {flags})))"

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, env={**PRODUCTION, "ORCHESTRA_VAR": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip

    shown_names, shown_flags = done.stdout.split("] [")
    assert shown_names.count("'__Host-") == len(names)
    assert shown_flags.count("True") == len(flags)
