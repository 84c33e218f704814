"""People in front of pages: a client per person, and a team with something of everything in it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import translation

from apps.accounts import actions as accounts
from apps.accounts.models import Invitation, Role, Team, User
from apps.agents import actions as agents
from apps.agents.models import Agent, Connection

SECRET = "sk-live-0123456789abcdef"


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    """Start without counted requests, and leave no language behind."""
    cache.clear()
    yield
    translation.deactivate_all()


@pytest.fixture
def owner(make_user: Any, team: Team) -> User:
    return make_user("olga", team, Role.OWNER, display_name="Olga Owner")


@pytest.fixture
def browse() -> Any:
    """Return a function that gives a browser in which a person is logged in: `browse(user, language="zh-hans")`."""

    def open_browser(user: User | None = None, language: str = "en") -> Client:
        client = Client(headers={"Accept-Language": language})
        if user is not None:
            client.force_login(user)
        return client

    return open_browser


@pytest.fixture
def connection(team: Team, editor: User) -> Connection:
    return agents.create_connection(
        team=team, name="Main provider", dialect="openai", secret=SECRET, default_model="gpt-x", by=editor
    )


@pytest.fixture
def agent(team: Team, editor: User, connection: Connection) -> Agent:
    return agents.create_agent(
        team=team, name="Writer", description="Writes.", capabilities=["write"], by=editor
    )


@pytest.fixture
def invitation(team: Team, owner: User) -> Invitation:
    return accounts.invite(team=team, role="viewer", email="new@example.org", by=owner)[0]
