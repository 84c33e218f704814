"""Who may do what: roles, scopes of keys, and strangers."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.actions import create_api_key
from apps.accounts.models import Team, User
from apps.runs.models import Run
from apps.workflows.models import Workflow


def bearer(user: User, team: Team, *scopes: str) -> APIClient:
    _, secret = create_api_key(user=user, team=team, name="key", scopes=list(scopes), expires_at=None)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


WRITES = [
    ("post", "/api/v1/workflows", {"name": "x"}),
    ("post", "/api/v1/workflows", {"nonsense": 1}),
    ("post", "/api/v1/workflows/import", {"text": "x"}),
    ("post", "/api/v1/processes/definitions", {"name": "x"}),
    ("patch", "/api/v1/workflows/greeting", {"name": "x"}),
    ("delete", "/api/v1/workflows/greeting", None),
    ("put", "/api/v1/workflows/greeting/draft", {"definition": {}}),
    ("post", "/api/v1/workflows/greeting/versions", {}),
    ("post", "/api/v1/workflows/greeting/versions/1/restore", None),
    ("post", "/api/v1/workflows/greeting/runs", {"input": {"name": "x"}}),
    ("post", "/api/v1/processes/instances", {"workflow": "greeting"}),
    ("post", "/api/v1/connections", {"name": "x", "dialect": "simulated"}),
    ("post", "/api/v1/agents", {"name": "x"}),
    ("post", "/api/v1/runs/{run}/cancel", None),
    ("post", "/api/v1/runs/{run}/signals/go", {"x": 1}),
    ("post", "/api/v1/runs/{run}/nodes/greet/effect", {"decision": "retry"}),
    ("patch", "/api/v1/connections/{connection}", {"name": "x"}),
    ("delete", "/api/v1/connections/{connection}", None),
    ("post", "/api/v1/connections/{connection}/test", None),
    ("patch", "/api/v1/agents/{agent}", {"name": "x"}),
    ("delete", "/api/v1/agents/{agent}", None),
    ("post", "/api/v1/agents/{agent}/drain", {"draining": True}),
    ("post", "/api/v1/agents/tokens", {"name": "x"}),
    ("post", "/api/v1/tools", {"workflow": "greeting"}),
    ("post", "/api/v1/tools/import", {"document": "x"}),
    ("post", "/api/v1/tools/test", {"tool": "noop"}),
    ("post", "/api/v1/mcp/servers", {"name": "x", "url": "https://mcp.example/mcp"}),
    ("post", "/api/v1/triggers", {"name": "x"}),
    ("patch", "/api/v1/triggers/{trigger}", {"name": "x"}),
    ("post", "/api/v1/triggers/{trigger}/rotate", None),
    ("delete", "/api/v1/triggers/{trigger}", None),
]


@pytest.fixture
def things(api: APIClient, workflow: Workflow) -> dict[str, str]:
    """Ids of one of each, by name."""
    run = api.post("/api/v1/workflows/greeting/runs", {"input": {"name": "x"}}, format="json").json()
    connection = api.post(
        "/api/v1/connections", {"name": "Sim", "dialect": "simulated"}, format="json"
    ).json()
    agent = api.post("/api/v1/agents", {"name": "Writer"}, format="json").json()
    hook = {"name": "t", "kind": "webhook", "workflow": "greeting"}
    trigger = api.post("/api/v1/triggers", hook, format="json").json()
    return {
        "run": run["id"],
        "connection": connection["id"],
        "agent": agent["id"],
        "trigger": trigger["id"],
    }


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_viewer_writes_nothing(
    client_of: Any, viewer: User, things: dict[str, str], method: str, path: str, body: Any
):
    answer = getattr(client_of(viewer), method)(path.format(**things), body, format="json")

    assert answer.status_code == 403, answer.content
    assert answer.json()["code"] == "not_permitted"
    assert Workflow.objects.get().archived_at is None
    assert Run.objects.get().status == "queued"


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_key_that_may_only_read_writes_nothing(
    editor: User, team: Team, things: dict[str, str], method: str, path: str, body: Any
):
    answer = getattr(bearer(editor, team, "read"), method)(path.format(**things), body, format="json")

    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"


def test_an_operator_starts_and_cancels_runs_and_changes_nothing_else(
    client_of: Any, operator: User, things: dict[str, str]
):
    client = client_of(operator)

    run = client.post("/api/v1/workflows/greeting/runs", {"input": {"name": "x"}}, format="json")

    assert run.status_code == 202
    assert client.post(f"{run.json()['url']}/cancel").status_code == 200
    assert client.patch("/api/v1/workflows/greeting", {"name": "x"}, format="json").status_code == 403


def test_a_key_for_running_starts_runs_and_edits_nothing(editor: User, team: Team, workflow: Workflow):
    client = bearer(editor, team, "run")

    run = client.post("/api/v1/workflows/greeting/runs", {"input": {"name": "x"}}, format="json")

    assert run.status_code == 202
    assert client.get(run.json()["url"]).status_code == 200
    assert client.patch("/api/v1/workflows/greeting", {"name": "x"}, format="json").status_code == 403


def test_a_viewer_may_read_and_validate(
    client_of: Any, viewer: User, things: dict[str, str], definition: Any
):
    client = client_of(viewer)

    assert client.get(f"/api/v1/runs/{things['run']}").status_code == 200
    assert client.get("/api/v1/workflows/greeting/draft").status_code == 200
    checked = client.post("/api/v1/workflows/validate", {"definition": definition}, format="json")
    assert checked.json()["valid"] is True


def test_somebody_without_a_login_gets_one_and_the_same_answer(things: dict[str, str]):
    for path in ("/api/v1/workflows", f"/api/v1/runs/{things['run']}", "/api/v1/runs", "/api/v1/agents"):
        answer = APIClient().get(path)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_filters_never_show_what_belongs_to_others(
    client_of: Any, stranger: User, things: dict[str, str], workflow: Workflow
):
    client = client_of(stranger)

    for query in (f"workflow={workflow.pk}", "q=greeting", f"q={things['run']}", "started_by=ada", "tag=x"):
        assert client.get(f"/api/v1/runs?{query}").json()["results"] == []
    assert client.get("/api/v1/runs?team=writers").status_code == 404
    assert client.get("/api/v1/runs", headers={"X-Team": "writers"}).status_code == 404
    assert client.get("/api/v1/workflows?q=greeting").json()["results"] == []


def test_a_superuser_without_a_membership_sees_no_teams_data(
    client_of: Any, make_user: Any, things: dict[str, str]
):
    root = make_user("root", is_superuser=True, is_staff=True)

    assert client_of(root).get(f"/api/v1/runs/{things['run']}").status_code == 404
    assert client_of(root).get("/api/v1/runs").status_code == 403
