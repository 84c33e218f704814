"""Access and refresh tokens: what is accepted, what is not, and what ends them."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts import actions, tokens
from apps.accounts.models import RefreshToken, User
from orchestra.ids import new_id

ME = "/api/v1/me"


def call(api: APIClient, token: str, path: str = ME) -> Any:
    return api.get(path, HTTP_AUTHORIZATION=f"Bearer {token}")


def refresh(api: APIClient, token: str) -> Any:
    return api.post("/api/v1/auth/token/refresh", {"refresh": token}, format="json")


def test_login_gives_a_token_that_opens_the_api(api: APIClient, editor: User, log_in: Any) -> None:
    pair = log_in("ada")

    answer = api.get(ME)

    assert answer.status_code == 200
    assert answer.json()["username"] == "ada"
    assert pair["expires_in"] == 900
    assert pair["token_type"] == "Bearer"


def test_login_takes_the_email_address_too(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ADA@example.org")

    assert api.get(ME).json()["username"] == "ada"


def test_answers_with_tokens_are_not_stored_by_caches(api: APIClient, editor: User) -> None:
    answer = api.post("/api/v1/auth/token", {"username": "ada", "password": "correct horse"}, format="json")

    assert answer["Cache-Control"] == "no-store"


def claims(user: User, **changes: Any) -> dict[str, Any]:
    now = timezone.now()
    return {
        "iss": tokens.ISSUER, "aud": tokens.ACCESS_AUDIENCE, "sub": str(user.pk), "iat": now,
        "exp": now + timedelta(minutes=5), "fam": str(new_id()), "pwd": tokens._password_mark(user), **changes,
    }  # fmt: skip


def unsigned(content: dict[str, Any]) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, default=str).encode()).decode().rstrip("=")

    plain = {**content, "iat": 1_700_000_000, "exp": 4_000_000_000}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(plain)}."


def forged(user: User) -> dict[str, str]:
    key = tokens._key()
    an_hour_ago = timezone.now() - timedelta(hours=1)
    without_mark = {name: value for name, value in claims(user).items() if name != "pwd"}
    return {
        "no algorithm": unsigned(claims(user)),
        "another key": jwt.encode(claims(user), b"k" * 32, algorithm="HS256"),
        "another algorithm": jwt.encode(claims(user), key * 2, algorithm="HS512"),
        "another audience": jwt.encode(claims(user, aud="elsewhere"), key, algorithm="HS256"),
        "another issuer": jwt.encode(claims(user, iss="elsewhere"), key, algorithm="HS256"),
        "expired": jwt.encode(claims(user, exp=an_hour_ago), key, algorithm="HS256"),
        "no password mark": jwt.encode(without_mark, key, algorithm="HS256"),
        "wrong password mark": jwt.encode(claims(user, pwd="x"), key, algorithm="HS256"),
        "nobody's": jwt.encode(claims(user, sub=str(new_id())), key, algorithm="HS256"),
        "no id": jwt.encode(claims(user, sub="ada"), key, algorithm="HS256"),
        "no family": jwt.encode(claims(user, fam="x"), key, algorithm="HS256"),
        "refresh": tokens.issue(user).refresh,
        "garbage": "garbage",
        "dots": "..",
        "empty key": "ork_",
        "long": "x" * 5000,
    }


def test_every_bad_token_gets_the_same_401(api: APIClient, editor: User) -> None:
    answers = {name: call(api, token) for name, token in forged(editor).items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    bodies = [
        {key: value for key, value in a.json().items() if key != "request_id"} for a in answers.values()
    ]
    assert all(body == bodies[0] for body in bodies)
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in answers.values())


def test_the_same_claims_well_signed_are_accepted(api: APIClient, editor: User) -> None:
    """Proves that the test above refuses for the reasons it names."""
    token = jwt.encode(claims(editor), tokens._key(), algorithm="HS256")

    assert call(api, token).status_code == 200


def test_a_token_in_the_address_does_not_count(api: APIClient, editor: User) -> None:
    token = tokens.issue(editor).access

    assert api.get(f"{ME}?token={token}&access_token={token}").status_code == 401


def test_an_access_token_lives_fifteen_minutes(editor: User) -> None:
    content = jwt.decode(tokens.issue(editor).access, options={"verify_signature": False})

    assert content["exp"] - content["iat"] == 15 * 60


def test_a_refresh_token_gives_a_new_pair_once(api: APIClient, editor: User) -> None:
    first = tokens.issue(editor)

    answer = refresh(api, first.refresh)

    assert answer.status_code == 200
    assert answer.json()["refresh"] != first.refresh
    assert call(api, answer.json()["access"]).status_code == 200


def test_a_second_use_of_a_refresh_token_ends_its_family(api: APIClient, editor: User) -> None:
    first = tokens.issue(editor)
    second = refresh(api, first.refresh).json()

    stolen = refresh(api, first.refresh)

    assert stolen.status_code == 401
    assert refresh(api, second["refresh"]).status_code == 401
    assert call(api, second["access"]).status_code == 401


def test_another_family_lives_on(api: APIClient, editor: User) -> None:
    laptop, phone = tokens.issue(editor), tokens.issue(editor)
    refresh(api, laptop.refresh)

    refresh(api, laptop.refresh)

    assert call(api, phone.access).status_code == 200


@pytest.mark.parametrize("bad", [None, "", [], {}, 0, True, "garbage"])
def test_a_refresh_that_is_no_token_is_refused(api: APIClient, db: None, bad: Any) -> None:
    answer = refresh(api, bad)

    assert answer.status_code in {400, 401}
    assert "access" not in answer.json()


def test_an_access_token_cannot_refresh(api: APIClient, editor: User) -> None:
    assert refresh(api, tokens.issue(editor).access).status_code == 401


def test_an_expired_refresh_token_is_refused(api: APIClient, editor: User) -> None:
    pair = tokens.issue(editor)
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert refresh(api, pair.refresh).status_code == 401


def test_logging_out_ends_the_access_token_at_once(api: APIClient, editor: User, log_in: Any) -> None:
    pair = log_in("ada")

    answer = api.post("/api/v1/auth/logout", {}, format="json")

    assert answer.status_code == 204
    assert api.get(ME).status_code == 401
    api.credentials()
    assert refresh(api, pair["refresh"]).status_code == 401


def test_logging_out_with_the_refresh_token_alone_ends_both(api: APIClient, editor: User) -> None:
    pair = tokens.issue(editor)

    api.post("/api/v1/auth/logout", {"refresh": pair.refresh}, format="json")

    assert call(api, pair.access).status_code == 401


def test_a_new_password_ends_every_token(api: APIClient, editor: User) -> None:
    pair = tokens.issue(editor)

    editor.set_password("battery staple")
    editor.save()

    assert call(api, pair.access).status_code == 401
    assert refresh(api, pair.refresh).status_code == 401


def test_a_person_who_is_switched_off_is_out(api: APIClient, editor: User) -> None:
    pair = tokens.issue(editor)

    User.objects.update(is_active=False)

    assert call(api, pair.access).status_code == 401
    assert refresh(api, pair.refresh).status_code == 401


def test_purging_takes_what_ended_and_leaves_what_lives(editor: User) -> None:
    tokens.issue(editor)
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(days=2))
    pair = tokens.issue(editor)
    actions.make_login_link(user=editor)

    gone = actions.purge_expired()

    assert gone == 1
    assert tokens.rotate(pair.refresh)
