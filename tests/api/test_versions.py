"""Versions over HTTP: publish, read, compare, go back."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.workflows.models import Workflow


@pytest.fixture
def url(workflow: Workflow) -> str:
    return f"/api/v1/workflows/{workflow.slug}"


def changed(definition: dict[str, Any], text: str) -> dict[str, Any]:
    nodes = {**definition["nodes"], "greet": {"kind": "transform", "settings": {"value": text}}}
    return {**definition, "nodes": nodes}


def test_publishing_freezes_the_draft_as_the_next_version(
    api: APIClient, url: str, definition: dict[str, Any]
):
    api.put(f"{url}/draft", {"definition": changed(definition, "Good day")}, format="json")

    answer = api.post(f"{url}/versions", {"note": "Politer"}, format="json")

    assert answer.status_code == 201
    assert answer.json()["number"] == 2
    assert api.get(url).json()["version"] == 2
    listed = api.get(f"{url}/versions").json()["results"]
    assert [(row["number"], row["note"], row["created_by"]) for row in listed] == [
        (2, "Politer", "ada"),
        (1, "", "ada"),
    ]


def test_publishing_without_a_change_makes_no_version(api: APIClient, url: str):
    answer = api.post(f"{url}/versions", {}, format="json")

    assert answer.status_code == 200
    assert answer.json()["number"] == 1
    assert len(api.get(f"{url}/versions").json()["results"]) == 1


def test_a_definition_can_be_published_at_once_and_an_untouched_draft_follows(
    api: APIClient, url: str, definition: dict[str, Any]
):
    answer = api.post(f"{url}/versions", {"definition": changed(definition, "Hey")}, format="json")

    assert answer.status_code == 201
    assert api.get(f"{url}/draft").json()["definition"] == changed(definition, "Hey")


def test_publishing_a_definition_keeps_the_edits_of_a_draft_that_has_some(
    api: APIClient, url: str, definition: dict[str, Any]
):
    api.put(f"{url}/draft", {"definition": changed(definition, "Mine")}, format="json")

    api.post(f"{url}/versions", {"definition": changed(definition, "Hey")}, format="json")

    assert api.get(f"{url}/draft").json()["definition"] == changed(definition, "Mine")


def test_a_broken_definition_is_never_published(api: APIClient, url: str, broken: dict[str, Any]):
    answer = api.post(f"{url}/versions", {"definition": broken}, format="json")

    assert answer.status_code == 422
    assert len(api.get(f"{url}/versions").json()["results"]) == 1


def test_the_plan_shows_the_canvas_with_its_counts(api: APIClient, url: str):
    answer = api.get(f"{url}/versions/1/plan").json()

    assert answer["number"] == 1
    assert answer["plan"]["counts"]["tasks"] == 1
    assert "greet" in answer["text"]


def test_a_difference_names_what_changed_by_path_and_as_text(
    api: APIClient, url: str, definition: dict[str, Any]
):
    api.post(f"{url}/versions", {"definition": changed(definition, "Good day")}, format="json")

    answer = api.get(f"{url}/versions/2/diff").json()

    assert (answer["old"], answer["new"]) == (1, 2)
    assert answer["changes"] == [
        {
            "path": "nodes.greet.settings.value",
            "change": "changed",
            "old": "Hello {{ inputs.name }}",
            "new": "Good day",
        }
    ]
    assert "+      value: Good day" in answer["text"]
    assert api.get(f"{url}/versions/1/diff?with=1").json()["changes"] == []


def test_going_back_makes_the_old_definition_the_draft_and_the_newest_version(
    api: APIClient, url: str, definition: dict[str, Any]
):
    api.post(f"{url}/versions", {"definition": changed(definition, "Good day")}, format="json")

    answer = api.post(f"{url}/versions/1/restore")

    assert answer.status_code == 201
    assert answer.json()["number"] == 3
    assert answer.json()["definition"] == definition
    assert api.get(f"{url}/draft").json()["definition"] == definition
    assert api.get(url).json()["version"] == 3


@pytest.mark.parametrize("path", ["9", "9/plan", "9/diff", "1/diff?with=9", "0"])
def test_versions_that_do_not_exist_are_not_found(api: APIClient, url: str, path: str):
    assert api.get(f"{url}/versions/{path}").status_code == 404


@pytest.mark.parametrize("other", ["x", "-1", "1.5", "²", "12345678901234567890"])
def test_a_difference_with_nonsense_is_a_bad_request(api: APIClient, url: str, other: str):
    answer = api.get(f"{url}/versions/1/diff", {"with": other})

    assert answer.status_code == 400
    assert answer.json()["problems"][0]["path"] == "with"


def test_restoring_the_newest_version_makes_no_other(api: APIClient, url: str):
    api.post(f"{url}/versions", {}, format="json")

    answer = api.post(f"{url}/versions/1/restore")

    assert (answer.status_code, answer.json()["number"]) == (200, 1)
