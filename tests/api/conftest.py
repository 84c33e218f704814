"""Callers of the API, and workflows for them to call."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import Role, Team, User
from apps.workflows import actions
from apps.workflows.models import Workflow

DEFINITION: dict[str, Any] = {
    "orchestra": 1,
    "name": "Greeting",
    "inputs": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "title": "Name"},
            "times": {"type": "integer", "default": 1},
        },
    },
    "nodes": {
        "greet": {"kind": "transform", "settings": {"value": "Hello {{ inputs.name }}"}},
        "shout": {
            "kind": "transform",
            "needs": ["greet"],
            "settings": {"value": "{{ nodes.greet.output | upper }}"},
        },
    },
    "output": {"text": "{{ nodes.shout.output }}"},
}

BROKEN: dict[str, Any] = {
    "orchestra": 1,
    "name": "Broken",
    "nodes": {
        "first": {"kind": "transform", "needs": ["nowhere"], "settings": {"value": 1}},
        "second": {"kind": "transfrom", "settings": {}},
    },
}


@pytest.fixture
def definition() -> dict[str, Any]:
    return DEFINITION


@pytest.fixture
def broken() -> dict[str, Any]:
    return BROKEN


@pytest.fixture
def client_of() -> Any:
    """Return a factory of clients that are logged in as somebody."""

    def make(user: User) -> APIClient:
        client = APIClient()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def api(client_of: Any, editor: User) -> APIClient:
    """A client of an editor of the team `writers`."""
    return client_of(editor)


@pytest.fixture
def operator(make_user: Any, team: Team) -> User:
    return make_user("otto", team, Role.OPERATOR)


@pytest.fixture
def stranger(make_user: Any, db: None) -> User:
    """The owner of another team."""
    other = Team.objects.create(name="Others", slug="others")
    return make_user("mallory", other, Role.OWNER)


@pytest.fixture
def workflow(team: Team, editor: User, definition: dict[str, Any]) -> Workflow:
    made = actions.create_workflow(team=team, name="Greeting", definition=definition, by=editor)
    actions.publish(workflow=made, by=editor)
    return made
