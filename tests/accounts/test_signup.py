"""An open installation: strangers confirm their address first, and learn nothing about others."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from apps.accounts import actions
from apps.accounts.models import Role, Team, User

SIGNUP = "/accounts/signup/"
STRONG = "battery staple 9"


@pytest.fixture(autouse=True)
def _open(settings: Any) -> None:
    settings.ORCHESTRA_OPEN_SIGNUP, settings.ACCOUNT_EMAIL_VERIFICATION = True, "mandatory"


def sign_up(client: Client, username: str, email: str) -> Any:
    form = {"username": username, "email": email, "password1": STRONG, "password2": STRONG}
    return client.post(SIGNUP, form)


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_stranger_confirms_the_address_before_the_first_login(client: Client, db: None) -> None:
    sign_up(client, "eve", "eve@example.org")
    client.post("/accounts/login/", {"login": "eve", "password": STRONG})
    before = is_in(client)

    link = next(word for word in str(mail.outbox[0].body).split() if "/confirm-email/" in word)
    client.post(link[link.index("/accounts/") :])
    client.post("/accounts/login/", {"login": "eve", "password": STRONG})

    assert not before
    assert is_in(client)


def test_the_api_waits_for_the_confirmation_too(client: Client, db: None) -> None:
    sign_up(client, "eve", "eve@example.org")
    credentials = {"username": "eve", "password": STRONG}

    before = Client().post("/api/v1/auth/token", credentials, content_type="application/json")
    EmailAddress.objects.update(verified=True)
    after = Client().post("/api/v1/auth/token", credentials, content_type="application/json")

    assert (before.status_code, after.status_code) == (401, 200)
    assert User.objects.get(username="eve").last_login is not None


def test_known_and_new_addresses_get_the_same_answer(client: Client, editor: User) -> None:
    known = sign_up(Client(), "one", "ada@example.org")
    new = sign_up(Client(), "two", "new@example.org")

    assert (known.status_code, known["Location"]) == (new.status_code, new["Location"])
    assert [message.to for message in mail.outbox] == [["ada@example.org"], ["new@example.org"]]
    assert not User.objects.filter(username="one").exists()


def test_an_invited_person_is_let_in_at_once(client: Client, make_user: Any, team: Team) -> None:
    _invitation, path = actions.invite(team=team, role="viewer", by=make_user("olga", team, Role.OWNER))
    client.post(path)

    sign_up(client, "nora", "nora@example.org")

    assert is_in(client)
    assert User.objects.get(username="nora").role_in(team.pk) == Role.VIEWER


def test_people_whom_an_operator_made_log_in_without_a_mail(client: Client, editor: User) -> None:
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse"})

    assert is_in(client)
    assert mail.outbox == []


def test_a_changed_address_does_not_lock_its_owner_out(client: Client, editor: User) -> None:
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse"})
    editor.refresh_from_db()
    actions.update_profile(user=editor, email="lovelace@example.org")
    client.post("/accounts/logout/")

    client.post("/accounts/login/", {"login": "lovelace@example.org", "password": "correct horse"})

    assert is_in(client)
