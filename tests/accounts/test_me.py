"""What a person may see and change about themselves, over the API and by the switches of the top bar."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts import tokens
from apps.accounts.models import User

ME = "/api/v1/me"
PASSWORD = {"login": "ada", "password": "correct horse"}


def test_strangers_are_told_to_log_in(api: APIClient, db: None) -> None:
    answer = api.get(ME)

    assert answer.status_code == 401
    assert answer["Content-Type"].startswith("application/problem+json")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_person_changes_their_profile(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")
    changes = {
        "display_name": "Ada 李", "email": "lovelace@example.org", "language": "zh-hans",
        "time_zone": "Asia/Shanghai", "theme": "dark",
    }  # fmt: skip

    answer = api.patch(ME, changes, format="json")

    assert answer.status_code == 200
    editor.refresh_from_db()
    assert {name: getattr(editor, name) for name in changes} == changes


@pytest.mark.parametrize(
    "field",
    ["is_staff", "is_superuser", "id", "username", "password", "role", "teams", "date_joined", "scopes"],
)
def test_fields_one_does_not_own_are_refused(api: APIClient, editor: User, log_in: Any, field: str) -> None:
    log_in("ada")
    before = User.objects.filter(pk=editor.pk).values().get()

    answer = api.patch(ME, {"display_name": "Eve", field: True}, format="json")

    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json()["problems"]] == [field]
    assert User.objects.filter(pk=editor.pk).values().get() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not-an-address"),
        ("email", "VERA@example.org"),
        ("email", ""),
        ("language", "tlh"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
        ("theme", "neon"),
        ("display_name", "x" * 81),
        ("display_name", None),
        ("display_name", ["a"]),
    ],
)
def test_values_that_do_not_do_are_named(
    api: APIClient, editor: User, viewer: User, log_in: Any, field: str, value: Any
) -> None:
    log_in("ada")

    answer = api.patch(ME, {field: value}, format="json")

    assert answer.status_code in {400, 422}
    assert answer.json()["problems"][0]["path"] == field


def test_a_former_address_opens_nothing_any_more(
    api: APIClient, client: Client, editor: User, log_in: Any
) -> None:
    EmailAddress.objects.create(user=editor, email="ada@example.org", verified=True, primary=True)
    log_in("ada")

    api.patch(ME, {"email": "new@example.org"}, format="json")

    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["new@example.org"]
    client.post("/accounts/login/", {**PASSWORD, "login": "ada@example.org"})
    assert "_auth_user_id" not in client.session


def test_preferences_are_merged_and_null_removes(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")
    api.patch(f"{ME}/preferences", {"runs": {"columns": ["status"]}, "dense": True}, format="json")

    answer = api.patch(f"{ME}/preferences", {"dense": None, "tour": "done"}, format="json")

    assert answer.json() == {"runs": {"columns": ["status"]}, "tour": "done"}
    assert api.get(f"{ME}/preferences").json() == answer.json()


def test_preferences_have_a_limit(api: APIClient, editor: User, log_in: Any) -> None:
    log_in("ada")

    answer = api.patch(f"{ME}/preferences", {"junk": "x" * 9000}, format="json")

    assert answer.status_code == 422
    assert api.get(f"{ME}/preferences").json() == {}


@pytest.mark.parametrize("body", [[], "x", 1])
def test_preferences_are_an_object(api: APIClient, editor: User, log_in: Any, body: Any) -> None:
    log_in("ada")

    assert api.patch(f"{ME}/preferences", body, format="json").status_code == 400


def browser(user: User) -> Client:
    client = Client(headers={"User-Agent": "Firefox"})
    client.post("/accounts/login/", {"login": user.username, "password": "correct horse"})
    return client


def test_sessions_are_listed_without_their_keys(editor: User, viewer: User) -> None:
    here, _there, _other = browser(editor), browser(editor), browser(viewer)

    answer = here.get(f"{ME}/sessions")

    rows = answer.json()["results"]
    assert [row["is_current"] for row in rows] == [False, True]
    assert {row["user_agent"] for row in rows} == {"Firefox"}
    assert here.cookies[settings.SESSION_COOKIE_NAME].value not in answer.content.decode()


def test_ending_a_session_ends_it_at_once(editor: User) -> None:
    here, there = browser(editor), browser(editor)
    row = next(row for row in here.get(f"{ME}/sessions").json()["results"] if not row["is_current"])

    answer = here.delete(f"{ME}/sessions/{row['id']}")

    assert answer.status_code == 204
    assert there.get(ME).status_code == 401
    assert here.get(ME).status_code == 200


def test_ending_all_others_keeps_this_one_and_ends_api_logins(api: APIClient, editor: User) -> None:
    here, there = browser(editor), browser(editor)
    pair = tokens.issue(editor)

    here.delete(f"{ME}/sessions")

    assert there.get(ME).status_code == 401
    assert api.get(ME, HTTP_AUTHORIZATION=f"Bearer {pair.access}").status_code == 401
    assert here.get(ME).status_code == 200


def test_sessions_of_others_are_not_found(editor: User, viewer: User) -> None:
    here, other = browser(editor), browser(viewer)
    row = UserSession.objects.get(user=viewer)

    assert here.delete(f"{ME}/sessions/{row.pk}").status_code == 404
    assert other.get(ME).status_code == 200


def test_logging_out_over_the_api_ends_the_session(editor: User) -> None:
    here = browser(editor)

    answer = here.post("/api/v1/auth/logout", {}, content_type="application/json")

    assert answer.status_code == 204
    assert here.get(ME).status_code == 401


def test_a_stranger_switches_the_language(client: Client, db: None) -> None:
    answer = client.post("/preferences/", {"language": "zh-hans", "next": "/accounts/login/"})

    assert answer["Location"] == "/accounts/login/"
    cookie = client.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["samesite"]) == ("zh-hans", "Lax")
    assert client.get("/accounts/login/")["Content-Language"] == "zh-hans"


def test_the_switches_of_a_person_are_kept(client: Client, editor: User) -> None:
    client.force_login(editor)

    client.post("/preferences/", {"language": "zh-hans", "theme": "dark"})

    editor.refresh_from_db()
    assert (editor.language, editor.theme) == ("zh-hans", "dark")


@pytest.mark.parametrize("wrong", [{"language": "tlh"}, {"theme": "neon"}, {"team": "no such"}])
def test_switches_take_only_what_is_offered(client: Client, editor: User, wrong: dict[str, str]) -> None:
    client.force_login(editor)

    assert client.post("/preferences/", wrong).status_code == 400


def test_a_team_of_others_cannot_be_chosen(client: Client, editor: User) -> None:
    client.force_login(editor)

    assert client.post("/preferences/", {"team": "others"}).status_code == 404
    client.post("/preferences/", {"team": "writers"})
    assert client.session["team"] == "writers"


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.test/", "//evil.test/", "javascript:alert(1)", "\\\\evil.test", "http:evil.test"],
)
def test_switches_lead_back_to_our_own_pages_only(client: Client, db: None, elsewhere: str) -> None:
    answer = client.post("/preferences/", {"language": "en", "next": elsewhere})

    assert answer["Location"] == "/"


def test_switches_need_a_post_with_the_csrf_token(db: None) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.get("/preferences/").status_code == 405
    assert strict.post("/preferences/", {"language": "en"}).status_code == 403
