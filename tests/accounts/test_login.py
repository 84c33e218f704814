"""Passwords at the door: the lock, what strangers can learn, and what a login does to the session."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.test import Client
from redis.exceptions import RedisError
from rest_framework.test import APIClient

from apps.accounts.models import User
from orchestra.logs import hide_links

TOKEN = "/api/v1/auth/token"
LOGIN = "/accounts/login/"
WRONG = "wrong"


def attempt(api: APIClient, username: str, password: str = WRONG, **extra: Any) -> Any:
    return api.post(TOKEN, {"username": username, "password": password}, format="json", **extra)


def test_ten_failures_lock_the_account_for_the_right_password_too(api: APIClient, editor: User) -> None:
    failures = [attempt(api, "ada").status_code for _ in range(30)]

    right = attempt(api, "ada", "correct horse")

    assert failures == [401] * 10 + [429] * 20
    assert right.status_code == 429
    assert int(right["Retry-After"]) > 60
    assert right.json()["code"] == "too_many_attempts"


def test_other_accounts_log_in_while_one_is_locked(api: APIClient, editor: User, viewer: User) -> None:
    for _ in range(30):
        attempt(api, "ada")

    assert attempt(api, "vera", "correct horse").status_code == 200


def test_the_lock_counts_all_names_of_an_account(api: APIClient, editor: User) -> None:
    names = ["ada", "ADA", "ada@example.org", "Ada@Example.org", " ada "] * 2

    failures = [attempt(api, name).status_code for name in names]

    assert failures == [401] * 10
    assert attempt(api, "ada", "correct horse").status_code == 429


def test_the_lock_does_not_depend_on_the_host_that_is_asked(api: APIClient, editor: User) -> None:
    for _ in range(5):
        attempt(api, "ada", HTTP_HOST="localhost")
        attempt(api, "ada", HTTP_HOST="127.0.0.1")

    assert attempt(api, "ada", "correct horse", HTTP_HOST="[::1]").status_code == 429


def test_the_login_page_and_the_api_share_the_lock(api: APIClient, editor: User, client: Client) -> None:
    for _ in range(5):
        attempt(api, "ada")
        client.post(LOGIN, {"login": "ada", "password": "wrong"})

    client.post(LOGIN, {"login": "ada", "password": "correct horse"})

    assert "_auth_user_id" not in client.session


def test_many_failures_from_one_address_lock_the_address(api: APIClient, db: None) -> None:
    statuses = [attempt(api, f"guess{number}").status_code for number in range(110)]

    assert statuses[:100] == [401] * 100
    assert statuses[100:] == [429] * 10


def test_logging_in_well_is_not_counted(api: APIClient, editor: User) -> None:
    statuses = [attempt(api, "ada", "correct horse").status_code for _ in range(15)]

    assert statuses == [200] * 15


def test_known_and_unknown_names_get_the_same_answers(api: APIClient, editor: User) -> None:
    def tell(answer: Any) -> tuple[int, dict[str, Any]]:
        return answer.status_code, {k: v for k, v in answer.json().items() if k != "request_id"}

    known = [tell(attempt(api, "ada@example.org")) for _ in range(12)]
    unknown = [tell(attempt(api, "nobody@example.org")) for _ in range(12)]

    assert known == unknown


@pytest.mark.parametrize("door", ["api", "page"])
@pytest.mark.parametrize("name", ["ada", "ada@example.org", "nobody", "nobody@example.org"])
def test_a_wrong_password_costs_one_hash_whoever_is_asked_for(
    api: APIClient, editor: User, client: Client, monkeypatch: pytest.MonkeyPatch, name: str, door: str
) -> None:
    """Time tells who has an account when the number of hashes differs; counting is steadier than measuring."""
    hashes: list[str] = []

    class Counting(PBKDF2PasswordHasher):
        algorithm = "counting"

        def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
            hashes.append(password)
            return super().encode(password, salt, iterations=1)

    monkeypatch.setattr("django.contrib.auth.hashers.get_hashers", lambda: [Counting()])
    monkeypatch.setattr(
        "django.contrib.auth.hashers.get_hashers_by_algorithm", lambda: {"counting": Counting()}
    )
    monkeypatch.setattr(Counting, "must_update", lambda self, encoded: False)
    editor.set_password("correct horse")
    editor.save()
    hashes.clear()

    if door == "api":
        attempt(api, name)
    else:
        client.post(LOGIN, {"login": name, "password": WRONG})

    assert hashes == ["wrong"]


def test_a_person_who_is_switched_off_gets_the_same_refusal(api: APIClient, editor: User) -> None:
    User.objects.update(is_active=False)

    assert attempt(api, "ada", "correct horse").status_code == 401


@pytest.mark.parametrize("body", [{}, {"username": "ada"}, {"username": None, "password": []}, [], "x", None])
def test_a_login_without_credentials_is_400(api: APIClient, editor: User, body: Any) -> None:
    assert api.post(TOKEN, body, format="json").status_code == 400


def test_a_login_with_an_unknown_field_is_400(api: APIClient, editor: User) -> None:
    body = {"username": "ada", "password": "correct horse", "is_staff": True}

    answer = api.post(TOKEN, body, format="json")

    assert answer.status_code == 400
    assert answer.json()["problems"][0]["path"] == "is_staff"


def test_the_session_gets_a_new_id_at_login(client: Client, editor: User) -> None:
    planted = SessionStore()
    planted["planted"] = True
    planted.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key or ""

    client.post(LOGIN, {"login": "ada", "password": "correct horse"})

    assert client.cookies[settings.SESSION_COOKIE_NAME].value != planted.session_key
    replay = Client()
    replay.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key or ""
    assert replay.get("/api/v1/me").status_code == 401


def test_logging_out_needs_a_post_and_ends_the_session(client: Client, editor: User) -> None:
    client.post(LOGIN, {"login": "ada", "password": "correct horse"})
    stolen = Client()
    stolen.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[settings.SESSION_COOKIE_NAME].value

    client.get("/accounts/logout/")
    assert client.get("/api/v1/me").status_code == 200
    client.post("/accounts/logout/")

    assert stolen.get("/api/v1/me").status_code == 401


def test_the_api_refuses_a_session_without_its_csrf_token(editor: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(editor)

    answer = strict.patch("/api/v1/me", {"display_name": "Eve"}, content_type="application/json")

    assert answer.status_code == 403
    editor.refresh_from_db()
    assert editor.display_name == ""


def test_the_login_page_refuses_a_post_without_its_csrf_token(editor: User) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.post(LOGIN, {"login": "ada", "password": "correct horse"}).status_code == 403


def test_the_session_cookie_is_not_for_scripts_nor_for_other_sites(client: Client, editor: User) -> None:
    client.post(LOGIN, {"login": "ada", "password": "correct horse"})

    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_reset_answers_alike_for_known_and_unknown_addresses(client: Client, editor: User) -> None:
    answers = [
        client.post("/accounts/password/reset/", {"email": address})
        for address in ("ada@example.org", "nobody@example.org")
    ]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert len(mail.outbox) == 2, "one mail each: the effort, too, is the same"


def test_a_reset_link_sets_the_password_once(client: Client, editor: User) -> None:
    client.post("/accounts/password/reset/", {"email": "ada@example.org"})
    link = next(word for word in str(mail.outbox[0].body).split() if "/password/reset/key/" in word)
    path = link[link.index("/accounts/") :]

    form = client.get(path, follow=True)
    new = {"password1": "battery staple 9", "password2": "battery staple 9"}
    client.post(form.redirect_chain[-1][0], new)

    editor.refresh_from_db()
    assert editor.check_password("battery staple 9")
    again = Client().get(path, follow=True)
    assert b"password1" not in again.content


@pytest.mark.parametrize("key", ["null", "0", "true", "undefined", "%00", "-"])
def test_a_reset_link_without_a_token_changes_nothing(client: Client, editor: User, key: str) -> None:
    new = {"password1": "battery staple 9", "password2": "battery staple 9"}

    client.post(f"/accounts/password/reset/key/{editor.pk.hex}-{key}/", new)

    editor.refresh_from_db()
    assert editor.check_password("correct horse")


def test_a_fresh_installation_has_no_account(db: None, api: APIClient) -> None:
    guesses = [("admin", "admin"), ("operator", "operator"), ("operator", ""), ("root", "root")]

    statuses = {attempt(api, name, password).status_code for name, password in guesses}

    assert User.objects.count() == 0
    assert statuses <= {400, 401}


def test_nobody_gets_in_while_failures_cannot_be_counted(
    api: APIClient, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise RedisError

    monkeypatch.setattr("allauth.core.internal.ratelimit.cache.add", away)

    answer = attempt(api, "ada", "correct horse")

    assert answer.status_code == 503
    assert "Retry-After" in answer


@pytest.mark.parametrize(
    "text",
    [
        "GET /login/s3cret-Token_1/",
        "Forbidden (CSRF cookie not set.): /join/s3cret-Token_1/",
        "POST /accounts/password/reset/key/1-s3cret-Token_1/?next=/",
        "Gone: /accounts/confirm-email/s3cret-Token_1/",
    ],
)
def test_logs_hold_no_token_of_a_link(text: str) -> None:
    entry = hide_links(None, "", {"event": text, "request": text})

    assert "s3cret" not in str(entry)
    assert entry["event"].split()[0] == text.split()[0]
