"""Triggers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.triggers.actions.due import start_due
from apps.triggers.models import Trigger

SCHEDULE = {
    "name": "Hourly",
    "kind": "schedule",
    "workflow": "greeting",
    "settings": {"cron": "0 * * * *"},
    "input": {"name": "x"},
}


@pytest.fixture
def api(editor: User, workflow: Any) -> APIClient:
    client = APIClient()
    client.force_login(editor)
    return client


def test_a_schedule_is_made_read_changed_and_deleted(api: APIClient) -> None:
    made = api.post("/api/v1/triggers", SCHEDULE, format="json")
    path = made.headers["Location"]
    read = api.get(path)
    stale = api.patch(path, {"name": "y"}, format="json", headers={"If-Match": '"9"'})
    changed = api.patch(
        path,
        {"settings": {"misfire": "all"}, "is_enabled": False},
        format="json",
        headers={"If-Match": read["ETag"]},
    )
    gone = api.delete(path)

    assert made.status_code == 201
    assert made.json()["secret"] == ""
    assert read.json()["workflow"] == "greeting"
    assert read.json()["settings"]["time_zone"] == "UTC"
    assert read.json()["next_at"].endswith(":00:00Z")
    assert stale.status_code == 412
    assert (changed.json()["settings"]["misfire"], changed.json()["settings"]["cron"]) == ("all", "0 * * * *")
    assert (changed.json()["is_enabled"], changed.json()["next_at"]) == (False, None)
    assert gone.status_code == 204
    assert not Trigger.objects.exists()


def test_everything_that_is_wrong_is_said_at_once(api: APIClient) -> None:
    answer = api.post(
        "/api/v1/triggers",
        {
            **SCHEDULE,
            "settings": {"cron": "0 * * * *", "overlap": "maybe", "x": 1},
            "input": {"name": "{{ body }}"},
        },
        format="json",
    )

    assert answer.status_code == 422
    assert {one["path"] for one in answer.json()["problems"]} == {
        "settings.overlap",
        "settings.x",
        "input.name",
    }


@pytest.mark.parametrize(
    "text",
    [
        "{{ cycler.__init__ }}",
        "{% set x = 1 %}",
        "{{ trigger.name | attr('x') }}",
    ],
)
def test_expressions_that_reach_too_far_are_refused_when_saving(api: APIClient, text: str) -> None:
    answer = api.post("/api/v1/triggers", {**SCHEDULE, "input": {"name": text}}, format="json")

    assert answer.status_code == 422
    assert answer.json()["problems"][0]["path"] == "input.name"


def test_the_secret_comes_once_and_no_read_shows_it(api: APIClient) -> None:
    made = api.post("/api/v1/triggers", {**SCHEDULE, "kind": "webhook", "settings": {}}, format="json")
    path = made.headers["Location"]
    rotated = api.post(f"{path}/rotate").json()["secret"]
    read = api.get(path)

    assert made.json()["secret"].startswith("whsec_")
    assert rotated not in ("", made.json()["secret"])
    assert "whsec" not in read.content.decode()
    assert read.json()["url"] == f"/hooks/{Trigger.objects.get().public_id}"
    assert api.post(f"{path}/rotate", headers={"X-Team": "writers"}).status_code == 200


def test_what_it_did_is_listed_and_its_runs_are_found(api: APIClient) -> None:
    made = api.post("/api/v1/triggers", SCHEDULE, format="json")
    trigger = Trigger.objects.get()
    start_due(trigger.next_at)

    firing = api.get(f"{made.headers['Location']}/firings").json()["results"][0]
    runs = api.get("/api/v1/runs?trigger=schedule").json()["results"]

    assert (firing["status"], firing["run"]) == ("started", runs[0]["id"])
    assert runs[0]["trigger"] == "schedule"
    assert api.get("/api/v1/runs?trigger=webhook").json()["results"] == []
    assert api.get(made.headers["Location"]).json()["last_run"] == runs[0]["id"]
    assert api.get("/api/v1/triggers?kind=schedule&workflow=greeting").json()["results"][0]["id"] == str(
        trigger.pk
    )
    assert api.get("/api/v1/triggers?kind=form").json()["results"] == []


def test_the_next_times_can_be_asked_before_anything_is_saved(api: APIClient) -> None:
    found = api.get("/api/v1/triggers/upcoming", {"cron": "0 12 * * *", "time_zone": "Asia/Tokyo"}).json()
    wrong = api.get("/api/v1/triggers/upcoming", {"cron": "0 12 * *"})

    assert len(found["results"]) == 5
    assert all(one.endswith("T03:00:00Z") for one in found["results"])
    assert wrong.status_code == 400


def test_workflows_of_others_cannot_be_started(api: APIClient, make_user: Any, publish_workflow: Any) -> None:
    from apps.accounts.models import Role, Team

    other = Team.objects.create(name="Others", slug="others")
    client = APIClient()
    client.force_login(make_user("mallory", other, Role.OWNER))

    answer = client.post("/api/v1/triggers", SCHEDULE, format="json")

    assert answer.status_code == 422
    assert answer.json()["problems"][0] == {
        "path": "workflow", "code": "unknown", "message": "There is no such workflow."
    }  # fmt: skip


def test_a_list_costs_the_same_for_many(
    api: APIClient, make_trigger: Any, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        make_trigger("webhook")

    with django_assert_max_num_queries(6):
        assert len(api.get("/api/v1/triggers").json()["results"]) == 5
