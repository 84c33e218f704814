"""The second factor: set up, asked for at every door, good once, and taken away by an operator."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts.models import User

TOKEN = "/api/v1/auth/token"
PERIOD = 60_000_000


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, PERIOD))


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code must not grow old between its making and its use."""
    monkeypatch.setattr(
        "allauth.mfa.totp.internal.auth.yield_hotp_counters_from_time", lambda: iter([PERIOD])
    )


@pytest.fixture
def protected(editor: User) -> tuple[str, list[str]]:
    """An editor who has set up an app; return its secret and the recovery codes that were shown."""
    client = Client()
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse"})
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302
    client.post("/accounts/reauthenticate/", {"password": "correct horse"})
    html = client.get("/accounts/2fa/totp/activate/").content.decode()
    found = re.search(r'data-totp-secret="(\w+)"', html)
    assert found
    shown = client.post("/accounts/2fa/totp/activate/", {"code": code_of(found[1])}, follow=True)
    codes = re.findall(r"\b\d{8}\b", shown.content.decode())
    again = client.get("/accounts/2fa/recovery-codes/").content.decode()
    assert len(codes) == 10
    assert codes[0] not in again
    cache.clear()  # the code that set it up is spent; tests begin with a fresh one
    return found[1], codes


def test_the_password_alone_opens_nothing(protected: Any, editor: User) -> None:
    client = Client()
    answer = client.post("/accounts/login/", {"login": "ada", "password": "correct horse"})

    assert answer.headers["Location"].startswith("/accounts/2fa/authenticate/")
    assert client.get("/api/v1/me").status_code == 401
    assert client.get("/api/v1/events/stream").status_code in {401, 404}
    for path in ("/", "/settings/", "/runs/"):
        assert "/accounts/login/" in client.get(path).headers["Location"]


def test_a_code_lets_in_once(protected: Any) -> None:
    secret, _codes = protected
    first, second = Client(), Client()
    for client in (first, second):
        client.post("/accounts/login/", {"login": "ada", "password": "correct horse"})
        client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})

    assert first.get("/api/v1/me").status_code == 200
    assert second.get("/api/v1/me").status_code == 401


def test_the_api_asks_for_the_code_too(protected: Any) -> None:
    secret, codes = protected
    api, known = APIClient(), {"username": "ada", "password": "correct horse"}

    answers = [
        api.post(TOKEN, {**known, **more}, format="json")
        for more in ({}, {"totp": "000000"}, {"totp": code_of(secret)}, {"totp": code_of(secret)})
    ]
    by_recovery = [api.post(TOKEN, {**known, "totp": codes[0]}, format="json").status_code for _ in range(2)]

    assert [one.status_code for one in answers] == [401, 401, 200, 401]
    assert {one.json()["code"] for one in answers if one.status_code == 401} == {"second_factor_needed"}
    assert by_recovery == [200, 401]


def test_guessing_codes_locks_the_door(protected: Any) -> None:
    secret, _codes = protected
    api, known = APIClient(), {"username": "ada", "password": "correct horse"}

    guesses = [
        api.post(TOKEN, {**known, "totp": f"{number:06}"}, format="json").status_code for number in range(12)
    ]

    assert guesses == [401] * 10 + [429] * 2
    assert api.post(TOKEN, {**known, "totp": code_of(secret)}, format="json").status_code == 429


def test_secrets_are_encrypted_and_follow_a_rotation(protected: Any, settings: Any) -> None:
    secret, _codes = protected
    before = [str(one.data) for one in Authenticator.objects.all()]
    settings.FIELD_KEYS = ["another key " * 4, *settings.FIELD_KEYS]
    call_command("rotate_keys", stdout=StringIO())
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]

    known = {"username": "ada", "password": "correct horse", "totp": code_of(secret)}
    assert not any(secret in text for text in before)
    assert APIClient().post(TOKEN, known, format="json").status_code == 200


def test_the_settings_show_it_and_turn_it_off(protected: Any) -> None:
    client = Client()
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse"})
    client.post("/accounts/2fa/authenticate/", {"code": code_of(protected[0])})
    client.post("/accounts/reauthenticate/", {"password": "correct horse"})
    on = client.get("/settings/security/").content.decode()
    pages = ("webauthn/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/")
    shown = [client.get(f"/accounts/2fa/{path}").status_code for path in pages]
    client.post("/accounts/2fa/totp/deactivate/")

    assert 'data-factor="totp" data-is-on="1"' in on
    assert 'data-factor="recovery"' in on
    assert shown == [200] * 5
    assert not Authenticator.objects.exists()
    assert client.get("/accounts/2fa/").headers["Location"] == "/settings/security/"


def test_an_operator_helps_who_has_lost_the_phone(protected: Any, editor: User, make_user: Any) -> None:
    operator = Client()
    operator.force_login(make_user("root", is_staff=True, is_superuser=True))
    operator.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "remove_second_factors", "_selected_action": [str(editor.pk)]},
    )

    known = {"username": "ada", "password": "correct horse"}
    assert APIClient().post(TOKEN, known, format="json").status_code == 200
