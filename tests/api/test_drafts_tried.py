"""Drafts over HTTP as the designer uses them: kept with problems, and run before they are published."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.workflows.models import Workflow, WorkflowVersion


@pytest.fixture
def url(workflow: Workflow) -> str:
    return f"/api/v1/workflows/{workflow.slug}"


@pytest.fixture
def louder(definition: dict[str, Any]) -> dict[str, Any]:
    value = "{{ nodes.greet.output | upper }}!"
    shout = {"kind": "transform", "needs": ["greet"], "settings": {"value": value}}
    return {**definition, "nodes": {**definition["nodes"], "shout": shout}}


def test_a_draft_with_problems_is_kept_only_when_that_is_asked(
    api: APIClient, url: str, broken: dict[str, Any]
):
    refused = api.put(f"{url}/draft", {"definition": broken}, format="json")
    kept = api.put(f"{url}/draft", {"definition": broken, "allow_problems": True}, format="json")

    assert refused.status_code == 422
    assert kept.status_code == 200
    assert kept.json()["problems"] != []
    assert api.post(f"{url}/versions", {}, format="json").status_code == 422


def test_a_draft_is_run_without_becoming_a_version(api: APIClient, url: str, louder: dict[str, Any]):
    api.put(f"{url}/draft", {"definition": louder}, format="json")

    runs = [
        api.post(f"{url}/runs", {"input": {"name": "x"}, "draft": True}, format="json").json()
        for _ in range(2)
    ]

    assert [api.get(f"/api/v1/runs/{run['id']}").json()["version"] for run in runs] == [0, 0]
    assert WorkflowVersion.every.filter(number=0).count() == 1
    assert [row["number"] for row in api.get(f"{url}/versions").json()["results"]] == [1]
    assert api.get(url).json()["version"] == 1
    assert api.get(f"/runs/{runs[0]['id']}/").status_code == 200


def test_a_tried_draft_that_is_published_becomes_the_next_version(
    api: APIClient, url: str, louder: dict[str, Any]
):
    api.put(f"{url}/draft", {"definition": louder}, format="json")
    api.post(f"{url}/runs", {"input": {"name": "x"}, "draft": True}, format="json")

    published = api.post(f"{url}/versions", {}, format="json")
    again = api.post(f"{url}/runs", {"input": {"name": "x"}, "draft": True}, format="json").json()

    assert (published.status_code, published.json()["number"]) == (201, 2)
    assert api.get(f"/api/v1/runs/{again['id']}").json()["version"] == 2


def test_a_draft_with_problems_is_not_run(api: APIClient, url: str, broken: dict[str, Any]):
    api.put(f"{url}/draft", {"definition": broken, "allow_problems": True}, format="json")

    answer = api.post(f"{url}/runs", {"input": {"name": "x"}, "draft": True}, format="json")

    assert answer.status_code == 422
    assert answer.json()["problems"] != []


def test_a_run_is_of_a_version_or_of_the_draft(api: APIClient, url: str):
    answer = api.post(f"{url}/runs", {"input": {"name": "x"}, "draft": True, "version": 1}, format="json")

    assert answer.status_code == 400


def test_a_run_goes_on_with_the_draft_from_a_node(api: APIClient, url: str, louder: dict[str, Any]):
    run = api.post(f"{url}/runs", {"input": {"name": "x"}}, format="json").json()
    api.put(f"{url}/draft", {"definition": louder}, format="json")

    fork = api.post(f"/api/v1/runs/{run['id']}/retry", {"from": ["shout"], "draft": True}, format="json")

    assert fork.status_code == 202
    assert api.get(f"/api/v1/runs/{fork.json()['id']}").json()["version"] == 0
