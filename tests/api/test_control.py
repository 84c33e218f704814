"""What people do to runs over HTTP: pause, resume, retry, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.runs.models import NodeRun, Run
from apps.workflows.models import Workflow

RUNS = "/api/v1/runs"


@pytest.fixture
def run(api: APIClient, workflow: Workflow) -> Run:
    answer = api.post(f"/api/v1/workflows/{workflow.slug}/runs", {"input": {"name": "Ada"}}, format="json")
    return Run.objects.get(pk=answer.json()["id"])


@pytest.fixture
def failed(run: Run) -> Run:
    """A run whose first node failed, so that the second was skipped."""
    NodeRun.objects.filter(run=run, path="greet").update(status="failed", attempt=1, error={"code": "x"})
    NodeRun.objects.filter(run=run, path="shout").update(status="skipped")
    Run.objects.filter(pk=run.pk).update(
        status="failed", started_at=run.created_at, unsettled=0, nodes_done=2
    )
    return run


def test_a_run_is_paused_and_resumed(api: APIClient, run: Run):
    paused = api.post(f"{RUNS}/{run.pk}/pause")
    again = api.post(f"{RUNS}/{run.pk}/pause")
    resumed = api.post(f"{RUNS}/{run.pk}/resume")
    in_vain = api.post(f"{RUNS}/{run.pk}/resume")

    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (resumed.status_code, resumed.json()["status"]) == (200, "queued")
    assert in_vain.status_code == 409


def test_a_failed_run_is_retried_once(api: APIClient, failed: Run):
    first = api.post(f"{RUNS}/{failed.pk}/retry")
    second = api.post(f"{RUNS}/{failed.pk}/retry")

    assert (first.status_code, first.json()["status"]) == (200, "running")
    assert first.json()["nodes"] == {"done": 0, "total": 2, "by_status": {"queued": 1, "pending": 1}}
    assert second.status_code == 409


def test_a_failed_node_is_retried_once(api: APIClient, failed: Run):
    first = api.post(f"{RUNS}/{failed.pk}/nodes/greet/retry")
    second = api.post(f"{RUNS}/{failed.pk}/nodes/greet/retry")

    assert (first.status_code, first.json()["status"]) == (200, "queued")
    assert second.status_code == 409
    assert api.post(f"{RUNS}/{failed.pk}/nodes/nowhere/retry").status_code == 404


@pytest.mark.parametrize("action", ["pause", "resume", "retry", "nodes/greet/retry"])
def test_who_only_looks_may_do_none_of_it(client_of: Any, viewer: Any, failed: Run, action: str):
    assert client_of(viewer).post(f"{RUNS}/{failed.pk}/{action}").status_code == 403


def test_a_retry_with_anything_in_its_body_forks_a_new_run(api: APIClient, run: Run):
    NodeRun.objects.filter(run=run, path="greet").update(
        status="succeeded", ports=["out"], output="Hello Ada"
    )

    answer = api.post(f"{RUNS}/{run.pk}/retry", {"from": ["shout"]}, format="json")

    assert answer.status_code == 202, answer.json()
    fork = api.get(answer.headers["Location"]).json()
    assert (fork["forked_from"], fork["number"], fork["input"]) == (
        str(run.pk),
        2,
        {"name": "Ada", "times": 1},
    )
    assert fork["nodes"] == {"done": 1, "total": 2, "by_status": {"succeeded": 1, "queued": 1}}
    nodes = api.get(f"{answer.headers['Location']}/nodes").json()["results"]
    assert [(node["path"], node["is_reused"]) for node in nodes] == [("greet", True), ("shout", False)]
    assert api.get(f"{RUNS}/{run.pk}").json()["forked_from"] is None


def test_a_fork_with_other_input_takes_over_nothing_that_reads_it(api: APIClient, run: Run):
    NodeRun.objects.filter(run=run, path="greet").update(
        status="succeeded", ports=["out"], output="Hello Ada"
    )

    answer = api.post(f"{RUNS}/{run.pk}/retry", {"input": {"name": "Bob"}}, format="json")

    fork = api.get(answer.headers["Location"]).json()
    assert fork["nodes"]["by_status"] == {"queued": 1, "pending": 1}


def test_a_fork_with_the_same_idempotency_key_is_made_once(api: APIClient, run: Run):
    headers = {"Idempotency-Key": "fork-1"}
    first = api.post(f"{RUNS}/{run.pk}/retry", {"version": 1}, format="json", headers=headers)
    again = api.post(f"{RUNS}/{run.pk}/retry", {"version": 1}, format="json", headers=headers)

    assert first.json()["id"] == again.json()["id"]
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"from": ["nowhere"]}, 422, "from[0]"),
        ({"from": "greet"}, 400, "from"),
        ({"input": {"times": 1}}, 422, "input.name"),
        ({"input": 1}, 400, "input"),
        ({"version": 99}, 400, "version"),
        ({"priority": 1}, 400, "priority"),
    ],
)
def test_a_fork_that_makes_no_sense_is_refused_with_its_path(
    api: APIClient, run: Run, body: dict[str, Any], status: int, path: str
):
    answer = api.post(f"{RUNS}/{run.pk}/retry", body, format="json")

    assert answer.status_code == status
    assert [problem["path"] for problem in answer.json()["problems"]] == [path]
    assert Run.objects.count() == 1


def start(api: APIClient, workflow: Workflow) -> str:
    answer = api.post(f"/api/v1/workflows/{workflow.slug}/runs", {"input": {"name": "x"}}, format="json")
    return str(answer.json()["id"])


def test_many_runs_are_answered_for_one_by_one(api: APIClient, workflow: Workflow):
    first, second = start(api, workflow), start(api, workflow)
    api.post(f"{RUNS}/{second}/cancel")
    nobody = "01900000-0000-7000-8000-000000000000"

    answer = api.post(f"{RUNS}/bulk", {"action": "cancel", "ids": [first, second, nobody]}, format="json")

    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert (body["done"], body["has_more"]) == (1, False)
    assert [(r["id"], r["done"], r["status"], r["code"]) for r in body["results"]] == [
        (first, True, "cancelled", None),
        (second, False, "cancelled", "conflict"),
        (nobody, False, None, "not_found"),
    ]


def test_a_filter_takes_the_runs_that_the_action_fits(api: APIClient, workflow: Workflow):
    first, second = start(api, workflow), start(api, workflow)
    api.post(f"{RUNS}/{second}/cancel")
    body = {"action": "pause", "filter": {"workflow": workflow.slug}}

    answer = api.post(f"{RUNS}/bulk", body, format="json").json()

    assert [(result["id"], result["status"]) for result in answer["results"]] == [(first, "paused")]


def test_one_call_reaches_a_bounded_number_of_runs(
    api: APIClient, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("apps.runs.api_control.MOST_RUNS", 2)
    ids = [start(api, workflow) for _ in range(3)]
    body = {"action": "cancel", "filter": {"status": "queued"}}

    first = api.post(f"{RUNS}/bulk", body, format="json").json()
    second = api.post(f"{RUNS}/bulk", body, format="json").json()

    assert [(answer["done"], answer["has_more"]) for answer in (first, second)] == [(2, True), (1, False)]
    assert [result["id"] for result in first["results"]] == ids[:2]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "cancel"},
        {"action": "cancel", "ids": []},
        {"action": "cancel", "filter": {}},
        {"action": "cancel", "filter": {"staus": "failed"}},
        {"action": "cancel", "filter": {"status": "asleep"}},
        {"action": "explode", "ids": ["01900000-0000-7000-8000-000000000000"]},
        {"action": "cancel", "ids": ["01900000-0000-7000-8000-000000000000"], "filter": {"status": "failed"}},
        {"action": "cancel", "ids": ["01900000-0000-7000-8000-000000000000"] * 201},
    ],
)
def test_a_bulk_that_makes_no_sense_reaches_nothing(api: APIClient, run: Run, body: dict[str, Any]):
    assert api.post(f"{RUNS}/bulk", body, format="json").status_code == 400
    run.refresh_from_db()
    assert run.status == "queued"


def test_a_strangers_and_a_viewers_bulk_reach_nothing(client_of: Any, make_user: Any, viewer: Any, run: Run):
    body = {"action": "cancel", "ids": [str(run.pk)]}
    by_filter = {"action": "cancel", "filter": {"status": "queued"}}

    looked = client_of(viewer).post(f"{RUNS}/bulk", body, format="json")

    assert looked.json()["results"][0]["code"] == "not_permitted"
    assert client_of(viewer).post(f"{RUNS}/bulk", by_filter, format="json").status_code == 403
    run.refresh_from_db()
    assert run.status == "queued"
