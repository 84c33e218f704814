"""One-time links: looking does not use them, using does, and the session behind is a new one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.accounts import actions
from apps.accounts.models import LoginLink, User


def is_in(client: Client, user: User) -> bool:
    return client.session.get("_auth_user_id") == str(user.pk)


def test_opening_a_link_logs_nobody_in_and_does_not_use_it(client: Client, editor: User) -> None:
    path = actions.make_login_link(user=editor)

    first, second = client.get(path), client.get(path)

    assert (first.status_code, second.status_code) == (200, 200)
    assert not is_in(client, editor)
    assert LoginLink.objects.get().used_at is None


def test_the_button_behind_a_link_logs_in_once(client: Client, editor: User) -> None:
    path = actions.make_login_link(user=editor)

    answer = client.post(path)

    assert answer.status_code == 302
    assert is_in(client, editor)
    another = Client()
    assert another.post(path).status_code == 410
    assert not is_in(another, editor)


def test_a_link_gives_the_session_a_new_id(client: Client, editor: User) -> None:
    client.post("/preferences/", {"language": "en"})
    session = client.session
    session["before"] = True
    session.save()
    before = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = before or ""

    client.post(actions.make_login_link(user=editor))

    assert is_in(client, editor)
    assert client.session.session_key != before


def test_a_link_replaces_somebody_elses_login(client: Client, editor: User, viewer: User) -> None:
    client.force_login(viewer)

    client.post(actions.make_login_link(user=editor))

    assert is_in(client, editor)


def test_a_link_is_listed_among_the_sessions(client: Client, editor: User) -> None:
    client.post(actions.make_login_link(user=editor))

    sessions = client.get("/api/v1/me/sessions").json()["results"]

    assert [session["is_current"] for session in sessions] == [True]


def test_an_old_link_is_gone(client: Client, editor: User) -> None:
    path = actions.make_login_link(user=editor)
    LoginLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert client.get(path).status_code == 410
    assert client.post(path).status_code == 410
    assert not is_in(client, editor)


def test_a_link_of_somebody_who_is_switched_off_is_gone(client: Client, editor: User) -> None:
    path = actions.make_login_link(user=editor)
    User.objects.update(is_active=False)

    assert client.post(path).status_code == 410


@pytest.mark.parametrize("token", ["x", "null", "0" * 64, "%00", "a b"])
def test_an_unknown_link_is_gone(client: Client, db: None, token: str) -> None:
    assert client.post(f"/login/{token}/").status_code == 410


def test_a_link_needs_the_csrf_token_of_its_page(editor: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    path = actions.make_login_link(user=editor)

    assert strict.post(path).status_code == 403
    assert LoginLink.objects.get().used_at is None


def test_the_token_is_not_stored(editor: User) -> None:
    token = actions.make_login_link(user=editor).split("/")[-2]

    assert token not in str(LoginLink.objects.values().get())


def test_the_page_of_a_link_is_kept_by_nobody(client: Client, editor: User) -> None:
    answer = client.get(actions.make_login_link(user=editor))

    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"


def test_the_first_operator_is_made_without_a_password(db: None) -> None:
    operator = actions.ensure_operator(team_name="Main")

    again = actions.ensure_operator(team_name="Main")

    assert again == operator
    assert operator.is_superuser
    assert operator.is_staff
    assert not operator.has_usable_password()
    assert [membership.role for membership in operator.memberships.all()] == ["owner"]


def test_a_stranger_called_operator_does_not_become_one(make_user: object, db: None) -> None:
    stranger = User.objects.create_user("Operator", "o@example.org", "x")

    operator = actions.ensure_operator()

    assert operator != stranger
    stranger.refresh_from_db()
    assert not stranger.is_superuser
