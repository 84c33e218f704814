"""Pages of remote agents: one command to paste, how each stands, draining and switching."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.agents import actions, agent_keys
from apps.agents.models import Agent, AgentToken, Presence
from apps.runs.models import Assignment


@pytest.fixture
def remote(team: Team, editor: User) -> Agent:
    token, _ = actions.create_agent_token(team=team, name="Fleet", by=editor)
    made = actions.register_agent(token=token, name="German", capabilities=["translate;languages=de"])
    Presence.objects.update(seen_at=timezone.now(), latency_seconds=1.5, resources={"cpu": 0.25})
    return made.agent


def words(html: bytes) -> str:
    return " ".join(html.decode().split())


def test_one_command_is_shown_once_and_works(browse: Any, editor: User) -> None:
    browser = browse(editor)
    given = {"name": "O'Hara", "capabilities": "translate;languages=de|fr, write", "days": "30"}

    page = browser.post("/agents/remote/", given)
    after = browser.get("/agents/remote/")

    token = re.search(r"ort_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", page.content.decode())
    assert token
    assert agent_keys.find_token(token[0]) is not None
    assert token[0] not in after.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    command = page.context["commands"]["Python"]
    assert shlex.split(command)[-6:] == [
        "--name", "O'Hara", "--capability", "translate;languages=de|fr", "--capability", "write",
    ]  # fmt: skip
    assert browser.post("/agents/remote/", {**given, "capabilities": "a;B=|"}).status_code == 422


def test_a_token_is_revoked(browse: Any, editor: User, remote: Agent) -> None:
    token = AgentToken.objects.get()

    browse(editor).post("/agents/remote/revoke/", {"token": token.prefix})

    token.refresh_from_db()
    assert token.revoked_at is not None


def test_the_list_shows_states_and_filters_by_them(
    browse: Any, viewer: User, remote: Agent, agent: Agent
) -> None:
    browser = browse(viewer)

    everything = words(browser.get("/agents/").content)
    online = browser.get("/agents/?state=online&q=translate", headers={"X-Requested-With": "fetch"})
    offline = words(browser.get("/agents/?state=offline").content)

    assert 'data-agent="german" data-agent-state="online"' in everything
    assert 'data-agent="writer"' in everything
    assert "0 of 1 at work" in everything
    assert 'data-agent="german"' in online.content.decode()
    assert 'data-agent="writer"' not in online.content.decode()
    assert "<html" not in online.content.decode()
    assert "data-agent=" not in offline


def test_the_page_of_an_agent_shows_how_it_stands_and_what_it_was_asked(
    browse: Any, viewer: User, remote: Agent, agent: Agent
) -> None:
    browser = browse(viewer)

    page = browser.get("/agents/german/", follow=True)
    fragment = browser.get("/agents/german/work/", headers={"X-Requested-With": "fetch"})

    shown = words(page.content)
    assert page.redirect_chain == [("/agents/german/work/", 302)]
    assert "translate;languages=de" in shown
    assert "25 %" in shown
    assert 'action="/agents/german/control/"' not in shown
    assert "<html" not in fragment.content.decode()
    assert browser.get("/agents/writer/work/").status_code == 302
    assert Assignment.objects.count() == 0


def test_an_operator_drains_and_disables_and_nobody_less_does(
    browse: Any, editor: User, viewer: User, remote: Agent
) -> None:
    for to in ("drain", "disable"):
        assert browse(editor).post("/agents/german/control/", {"to": to}).status_code == 302
    browse(viewer).post("/agents/german/control/", {"to": "enable"})

    remote.refresh_from_db()
    assert (remote.is_enabled, remote.presence.__class__.objects.get().is_draining) == (False, True)
