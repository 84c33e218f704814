"""Connections and agents in the portal: made, tested, changed, deleted; the secret never comes back."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.agents import crypto
from apps.agents.models import Agent, Connection
from tests.portal.conftest import SECRET

FORM = {
    "dialect": "openai",
    "name": "Second",
    "base_url": "https://llm.example.org/v1",
    "secret": "sk-another-0123456789",
    "default_model": "m",
    "options": "{}",
    "is_enabled": "on",
}


def test_a_connection_is_made_and_its_secret_is_never_shown(browse: Any, editor: User, team: Team) -> None:
    browser = browse(editor)

    answer = browser.post("/connections/new/", FORM, follow=True)

    row = Connection.objects.get(team=team)
    pages = [answer, browser.get("/connections/"), browser.get(f"/connections/{row.slug}/")]
    assert crypto.decrypt(row.secret, row=row.pk, field="secret") == FORM["secret"]
    for page in pages:
        assert FORM["secret"] not in page.content.decode()
        assert "6789" in page.content.decode()


def test_an_empty_secret_keeps_the_stored_one(browse: Any, editor: User, connection: Connection) -> None:
    data = {"dialect": "openai", "name": "Renamed", "secret": "", "options": "{}", "is_enabled": "on"}

    browse(editor).post("/connections/main-provider/", data)

    connection.refresh_from_db()
    assert connection.name == "Renamed"
    assert crypto.decrypt(connection.secret, row=connection.pk, field="secret") == SECRET


def test_another_address_asks_for_the_secret_again(browse: Any, editor: User, connection: Connection) -> None:
    data = FORM | {"secret": "", "base_url": "https://thief.example.org/v1"}

    answer = browse(editor).post("/connections/main-provider/", data)

    connection.refresh_from_db()
    assert answer.status_code == 422
    assert 'id="id_secret_errors"' in answer.content.decode()
    assert connection.base_url == ""


def test_a_simulated_connection_asks_for_no_address_and_no_key(browse: Any, editor: User, team: Team) -> None:
    browser = browse(editor)

    page = browser.get("/connections/new/?dialect=simulated").content.decode()
    browser.post(
        "/connections/new/", {"dialect": "simulated", "name": "Pretend", "options": "{}", "is_enabled": "on"}
    )

    assert 'name="secret"' not in page
    assert 'name="base_url"' not in page
    assert Connection.objects.get(team=team).dialect == "simulated"


def test_a_test_says_what_the_provider_offers(browse: Any, editor: User, team: Team) -> None:
    browser = browse(editor)
    browser.post(
        "/connections/new/", {"dialect": "simulated", "name": "Pretend", "options": "{}", "is_enabled": "on"}
    )

    fragment = browser.post("/connections/pretend/test/", headers={"HX-Request": "true"})
    whole = browser.post("/connections/pretend/test/", follow=True)

    assert "simulated-1" in fragment.content.decode()
    assert "<html" not in fragment.content.decode()
    assert "toast is-success" in whole.content.decode()


def test_a_test_that_fails_says_why(browse: Any, editor: User, connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(base_url="http://127.0.0.1:9/v1")

    answer = browse(editor).post("/connections/main-provider/test/", headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "alert is-error" in answer.content.decode()
    assert "address_not_allowed" in answer.content.decode()


def test_one_connection_is_the_default(browse: Any, editor: User, connection: Connection) -> None:
    browser = browse(editor)
    browser.post("/connections/new/", FORM)

    browser.post("/connections/second/default/")

    assert Connection.objects.get(is_default=True).slug == "second"


def test_a_connection_in_use_is_not_deleted(
    browse: Any, editor: User, connection: Connection, team: Team
) -> None:
    Agent.objects.create(team=team, slug="a", name="A", connection=connection)

    answer = browse(editor).post("/connections/main-provider/delete/", follow=True)

    assert "toast is-error" in answer.content.decode()
    assert Connection.objects.filter(pk=connection.pk).exists()


def test_a_connection_nobody_uses_is_deleted(browse: Any, editor: User, connection: Connection) -> None:
    browse(editor).post("/connections/main-provider/delete/")

    assert not Connection.objects.exists()


def test_an_agent_is_made_changed_and_deleted(browse: Any, editor: User, connection: Connection) -> None:
    browser = browse(editor)
    data = {"name": "Critic", "instructions": "Judge.", "capabilities": "score, judge", "temperature": "0.2"}

    browser.post("/agents/new/", data | {"is_enabled": "on"})
    made = Agent.objects.get()
    browser.post("/agents/critic/", data | {"name": "Judge", "connection": connection.pk})
    changed = Agent.objects.get()
    browser.post("/agents/critic/delete/")

    assert (made.capabilities, made.options, made.is_enabled) == (
        ["score", "judge"],
        {"temperature": 0.2},
        True,
    )
    assert (changed.name, changed.connection, changed.is_enabled) == ("Judge", connection, False)
    assert not Agent.objects.exists()


def test_an_agent_without_a_name_is_shown_again_with_the_reason(browse: Any, editor: User) -> None:
    answer = browse(editor).post("/agents/new/", {"name": ""})

    assert answer.status_code == 422
    assert 'id="id_name_errors"' in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["/agents/new/", "/agents/writer/", "/connections/new/", "/connections/main-provider/"]
)
def test_a_viewer_gets_no_form(path: str, browse: Any, viewer: User, agent: Agent) -> None:
    answer = browse(viewer).get(path)

    assert answer.status_code == 403
    assert 'name="name"' not in answer.content.decode()


@pytest.mark.parametrize("path", ["/agents/", "/connections/"])
def test_a_viewer_sees_lists_without_buttons(path: str, browse: Any, viewer: User, agent: Agent) -> None:
    page = browse(viewer).get(path).content.decode()

    assert "Main provider" in page
    assert f"{path}new/" not in page
    assert "/test/" not in page


@pytest.mark.parametrize("path", ["/agents/writer/", "/connections/main-provider/"])
def test_what_belongs_to_another_team_is_not_there(
    path: str, browse: Any, make_user: Any, agent: Agent
) -> None:
    others = Team.objects.create(name="Others", slug="others")
    stranger = make_user("stranger", others)

    assert browse(stranger).get(path).status_code == 404
    assert browse(stranger).post(f"{path}delete/").status_code == 404
