"""Fixtures for connections and agents: a ring of keys of their own, a server beside the test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.agents.actions import create_connection
from apps.agents.models import Connection
from tests.local_server import Server, serving_beside

SECRET = "sk-proj-abcdefgh-WXYZ"


@pytest.fixture(autouse=True)
def keys(settings: Any) -> list[str]:
    settings.FIELD_KEYS = ["first key of the ring", "second key of the ring"]
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset()
    return settings.FIELD_KEYS


@pytest.fixture
def connect(team: Team, editor: User) -> Callable[..., Connection]:
    """Return a factory of connections: OpenAI's own provider with a secret, unless told otherwise."""

    def make(name: str = "Main", **fields: Any) -> Connection:
        fields = {"dialect": "openai", "secret": SECRET, "default_model": "gpt-4o", "team": team} | fields
        return create_connection(name=name, by=editor, **fields)

    return make


@pytest.fixture
def serve_beside() -> Callable[..., AbstractContextManager[Server]]:
    """Return `with serve_beside(app) as server`, for synchronous code: the server has its own loop and thread."""
    return serving_beside
