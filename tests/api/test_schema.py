"""The OpenAPI document: it is clean, it tells the truth, and it is the map of a walk through other people's things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate
from rest_framework.test import APIClient

from apps.accounts.actions import create_api_key
from apps.accounts.models import Invitation, Team, User
from apps.agents.models import AgentToken
from apps.runs.models import Approval, NodeRun, Run
from apps.tools.actions import create_server
from apps.triggers.models import Trigger
from apps.usage.models import Budget
from apps.workflows.models import Workflow

SIGNED = {"/api/v1/hooks/{public_id}", "/api/v1/agents/{agent_id}/heartbeat"}
"""Paths that know no people: a signature or an agent's key opens them; without it all that they answer is 401."""
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    reset_generator_stats()
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


@pytest.fixture
def things(api: APIClient, workflow: Workflow, team: Team, editor: User) -> dict[str, str]:
    """Ids of one of each thing of the team `writers`, by the name of the parameter."""
    run = api.post("/api/v1/workflows/greeting/runs", {"input": {"name": "x"}}, format="json").json()
    connection = api.post(
        "/api/v1/connections", {"name": "Sim", "dialect": "simulated"}, format="json"
    ).json()
    agent = api.post("/api/v1/agents", {"name": "Writer", "connection": "sim"}, format="json").json()
    schedule = {"name": "t", "kind": "schedule", "workflow": "greeting", "settings": {"cron": "0 * * * *"}}
    trigger = api.post("/api/v1/triggers", schedule, format="json").json()
    talk = api.post("/api/v1/conversations", {}, format="json").json()
    said = api.post(f"/api/v1/conversations/{talk['id']}/messages", {"text": "Hi"}, format="json").json()
    key, _ = create_api_key(user=editor, team=team, name="key", scopes=["read"], expires_at=None)
    invitation = Invitation.objects.create(
        team=team, token_hash="x", created_by=editor, expires_at=timezone.now() + timedelta(days=1)
    )
    approval = Approval.objects.create(team=team, run_id=run["id"], path="greet", title="Good?")
    tool = api.post("/api/v1/tools", {"workflow": "greeting"}, format="json").json()
    server = create_server(team=team, name="S", kind="openapi", url="https://s.example", by=editor)
    return {
        "tool_id": tool["id"],
        "server_id": str(server.pk),
        "approval_id": str(approval.pk),
        "slug": "greeting",
        "number": "1",
        "run_id": run["id"],
        "path": "greet",
        "name": "go",
        "connection_id": connection["id"],
        "agent_id": agent["id"],
        "token_id": str(AgentToken.objects.create(team=team, name="t", prefix="p", key_hash="x").pk),
        "key_id": str(key.pk),
        "team_id": str(team.pk),
        "user_id": str(editor.pk),
        "invitation_id": str(invitation.pk),
        "session_id": "1",
        "trigger_id": trigger["id"],
        "conversation_id": talk["id"],
        "message_id": said["message"]["id"],
        "budget_id": str(Budget.objects.create(team=team, name="b", amount=1).pk),
    }


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


def test_the_document_is_made_without_a_warning_and_is_valid(document: dict[str, Any]):
    assert not GENERATOR_STATS, GENERATOR_STATS.emit_summary()
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_operation_has_a_name_of_its_own_and_may_answer_with_a_problem(document: dict[str, Any]):
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names)) > 30
    for path, method, operation in operations(document):
        assert "default" in operation["responses"], f"{method} {path}"
        assert operation["summary"], f"{method} {path}"


def test_the_document_and_its_page_are_served_and_load_nothing_from_outside(db: None):
    client = APIClient()

    document = client.get("/api/v1/schema")
    page = client.get("/api/v1/docs", headers={"Accept": "text/html"})
    script = client.get("/api/v1/docs?script=", headers={"Accept": "*/*"})

    assert document.json()["info"]["title"] == "Orchestra"
    assert client.get("/api/v1/schema", headers={"Accept": "application/yaml"}).content.startswith(
        b"openapi: 3.1"
    )
    assert page.status_code == script.status_code == 200
    html = page.content.decode()
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert not re.search(r"\bstyle=|\bon\w+=", html)
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert "validator.swagger.io" not in script.content.decode()
    assert '"validatorUrl": null' in script.content.decode()


def test_things_of_another_team_are_as_good_as_missing(
    client_of: Any, stranger: User, document: dict[str, Any], things: dict[str, str]
):
    client = client_of(stranger)
    random = {name: str(uuid4()) for name in things} | {
        "slug": "no-such",
        "path": "no_such",
        "number": "1",
        "session_id": "987654",
    }
    before = snapshot()
    walked = 0

    for path, method, _ in operations(document):
        if "{" not in path or path in SIGNED:
            continue
        theirs = getattr(client, method)(path.format(**things), {}, format="json")
        missing = getattr(client, method)(path.format(**random), {}, format="json")
        where = f"{method} {path}"
        assert (where, theirs.status_code) == (where, 404), theirs.content
        assert (where, anonymous(theirs)) == (where, anonymous(missing))
        walked += 1

    assert walked >= 30
    assert snapshot() == before


def anonymous(answer: Any) -> dict[str, Any]:
    """What an answer says, but for the place it says it about."""
    return {
        key: value
        for key, value in json.loads(answer.content).items()
        if key not in {"instance", "request_id"}
    }


def snapshot() -> list[Any]:
    return [
        list(Workflow.objects.order_by("pk").values()),
        list(Run.objects.order_by("pk").values()),
        list(NodeRun.objects.order_by("pk").values()),
        list(Trigger.objects.order_by("pk").values()),
        list(Team.objects.order_by("pk").values()),
        list(Invitation.objects.order_by("pk").values()),
        list(User.objects.order_by("pk").values("pk", "password", "email", "is_active")),
    ]


READS = [
    "/api/v1/workflows",
    "/api/v1/workflows/{slug}",
    "/api/v1/workflows/{slug}/draft",
    "/api/v1/workflows/{slug}/versions",
    "/api/v1/workflows/{slug}/versions/{number}",
    "/api/v1/workflows/{slug}/versions/{number}/plan",
    "/api/v1/workflows/{slug}/versions/{number}/diff",
    "/api/v1/runs",
    "/api/v1/runs/{run_id}",
    "/api/v1/runs/{run_id}/nodes",
    "/api/v1/runs/{run_id}/nodes/{path}",
    "/api/v1/runs/{run_id}/events",
    "/api/v1/connections",
    "/api/v1/connections/{connection_id}",
    "/api/v1/agents",
    "/api/v1/agents/{agent_id}",
    "/api/v1/triggers",
    "/api/v1/triggers/{trigger_id}",
    "/api/v1/triggers/{trigger_id}/firings",
    "/api/v1/triggers/upcoming?cron=0+*+*+*+*",
    "/api/v1/conversations",
    "/api/v1/conversations/{conversation_id}",
    "/api/v1/conversations/{conversation_id}/messages",
    "/api/v1/me",
    "/api/v1/teams",
    "/api/v1/tokens",
]


@pytest.mark.parametrize("path", READS)
def test_what_is_read_fits_the_document(
    api: APIClient, document: dict[str, Any], things: dict[str, str], path: str
):
    answer = api.get(path.format(**things))

    assert answer.status_code == 200, answer.content
    assert_fits(document, answer, path.partition("?")[0], "get", "200")


WRITES = [
    ("/api/v1/workflows", {"name": "New"}, "201"),
    ("/api/v1/workflows/validate", {"text": "nodes: 1"}, "200"),
    ("/api/v1/workflows/{slug}/versions", {}, "200"),
    ("/api/v1/workflows/{slug}/versions/{number}/restore", {}, "200"),
    ("/api/v1/workflows/{slug}/runs", {"input": {"name": "x"}}, "202"),
    ("/api/v1/runs/{run_id}/cancel", {}, "200"),
    ("/api/v1/connections", {"name": "c", "dialect": "simulated"}, "201"),
    ("/api/v1/connections/{connection_id}/test", {}, "200"),
    ("/api/v1/agents", {"name": "a"}, "201"),
    ("/api/v1/triggers", {"name": "h", "kind": "webhook", "workflow": "greeting"}, "201"),
]


@pytest.mark.parametrize(("path", "body", "status"), WRITES)
def test_what_a_write_answers_fits_the_document(
    api: APIClient, document: dict[str, Any], things: dict[str, str], path: str, body: Any, status: str
):
    answer = api.post(path.format(**things), body, format="json")

    assert str(answer.status_code) == status, answer.content
    assert_fits(document, answer, path, "post", status)


def test_a_problem_fits_the_document(
    api: APIClient, document: dict[str, Any], workflow: Workflow, broken: Any
):
    answer = api.post("/api/v1/workflows", {"definition": broken}, format="json")

    assert_fits(document, answer, "/api/v1/workflows", "post", "default")


RUN_MEMBERS = [
    "id",
    "number",
    "workflow",
    "version",
    "status",
    "input",
    "output",
    "error",
    "started_by",
    "trigger",
    "priority",
    "created_at",
    "started_at",
    "finished_at",
    "progress",
    "usage",
    "nodes",
]
NODE_MEMBERS = [
    "path",
    "node",
    "kind",
    "status",
    "attempt",
    "input",
    "output",
    "error",
    "agent",
    "waiting_for",
    "queued_at",
    "started_at",
    "finished_at",
    "usage",
    "attempts",
]


def test_a_run_and_a_node_have_every_member_of_the_design(api: APIClient, things: dict[str, str]):
    run = api.get(f"/api/v1/runs/{things['run_id']}").json()
    node = api.get(f"/api/v1/runs/{things['run_id']}/nodes/greet").json()

    assert set(RUN_MEMBERS) <= set(run)
    assert set(run["usage"]) == {"input_tokens", "output_tokens", "cost"}
    assert set(run["nodes"]) == {"done", "total", "by_status"}
    assert set(NODE_MEMBERS) <= set(node)


def assert_fits(document: dict[str, Any], answer: Any, path: str, method: str, status: str) -> None:
    content = document["paths"][path][method]["responses"][status]["content"]
    media_type = answer.headers["Content-Type"].partition(";")[0]
    schema = {**content[media_type]["schema"], "components": document["components"]}
    checker = Draft202012Validator(strict(schema), format_checker=FormatChecker())
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in checker.iter_errors(answer.json())]
    assert not errors


def strict(schema: Any) -> Any:
    """Return the schema with objects closed that list their properties: an answer may hold nothing undescribed."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed
