"""Approvals over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import Role, Team, User
from apps.runs.actions import start_run
from apps.runs.models import Approval, NodeRun, Run

ASKS: dict[str, Any] = {
    "orchestra": 1,
    "nodes": {
        "ask": {
            "kind": "approval",
            "settings": {
                "title": "Publish?",
                "form": {
                    "type": "object",
                    "required": ["why"],
                    "properties": {"why": {"type": "string"}, "n": {"type": "integer"}},
                },
            },
        }
    },
}


@pytest.fixture
def approval(publish_workflow: Any, editor: User, team: Team) -> Approval:
    run = start_run(workflow=publish_workflow(ASKS), input={}, by=editor)
    Run.objects.filter(pk=run.pk).update(status="waiting")
    NodeRun.objects.filter(run=run).update(status="waiting", waiting_for="approval")
    form = ASKS["nodes"]["ask"]["settings"]["form"]
    return Approval.objects.create(
        team=team, run=run, path="ask", title="Publish?", form=form, role=Role.OPERATOR
    )


def decide(api: APIClient, approval: Approval, body: Any) -> Any:
    return api.post(f"/api/v1/approvals/{approval.pk}/decide", body, format="json")


def test_open_approvals_are_listed(api: APIClient, approval: Approval) -> None:
    (found,) = api.get("/api/v1/approvals?status=open&mine=1").json()["results"]

    assert (found["id"], found["run"], found["node"]) == (str(approval.pk), str(approval.run_id), "ask")
    assert (found["title"], found["status"], found["quorum"]) == ("Publish?", "open", 1)
    assert api.get("/api/v1/approvals?status=approved").json()["results"] == []
    assert api.get("/api/v1/approvals?status=maybe").status_code == 400


def test_a_decision_is_taken_once(api: APIClient, approval: Approval) -> None:
    first = decide(api, approval, {"decision": "approved", "form": {"why": "good"}, "comment": "ok"})
    second = decide(api, approval, {"decision": "rejected"})

    assert (first.status_code, first.json()["status"], first.json()["decided_by"]) == (200, "approved", "ada")
    assert first.json()["votes"][0]["form"] == {"why": "good"}
    assert (second.status_code, second.json()["code"]) == (409, "conflict")


def test_a_wrong_form_is_named_with_its_paths(api: APIClient, approval: Approval) -> None:
    answer = decide(api, approval, {"decision": "approved", "form": {"n": "x"}})

    assert answer.status_code == 422
    assert {problem["path"] for problem in answer.json()["problems"]} == {"form.why", "form.n"}


def test_a_wrong_decision_is_a_bad_request(api: APIClient, approval: Approval) -> None:
    assert decide(api, approval, {"decision": "maybe"}).status_code == 400
    assert decide(api, approval, {"decision": "approved", "for": {}}).status_code == 400


def test_a_viewer_sees_but_does_not_decide(client_of: Any, viewer: User, approval: Approval) -> None:
    client = client_of(viewer)

    assert client.get(f"/api/v1/approvals/{approval.pk}").status_code == 200
    assert client.get("/api/v1/approvals?mine=1").json()["results"] == []
    assert decide(client, approval, {"decision": "rejected"}).status_code == 403


def test_for_strangers_it_does_not_exist(client_of: Any, stranger: User, approval: Approval) -> None:
    client = client_of(stranger)

    assert decide(client, approval, {"decision": "rejected"}).status_code == 404
    assert client.get("/api/v1/approvals").json()["results"] == []


def test_a_team_that_is_asked_sees_it(client_of: Any, stranger: User, approval: Approval) -> None:
    approval.assigned_teams.set(Team.objects.filter(slug="others"))
    client = client_of(stranger)

    assert [row["id"] for row in client.get("/api/v1/approvals?mine=1").json()["results"]] == [
        str(approval.pk)
    ]
    assert client.get(f"/api/v1/runs/{approval.run_id}").status_code == 404
    assert decide(client, approval, {"decision": "rejected"}).status_code == 200
