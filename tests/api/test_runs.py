"""Runs over HTTP: start, follow, list, read, cancel."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import Team, User
from apps.runs.models import NodeRun, Run
from apps.workflows.models import Workflow
from orchestra.engine.plan import ITEM
from orchestra.engine.status import RunStatus

RUNS = "/api/v1/runs"


@pytest.fixture
def url(workflow: Workflow) -> str:
    return f"/api/v1/workflows/{workflow.slug}"


@pytest.fixture
def run(api: APIClient, url: str) -> Run:
    answer = api.post(f"{url}/runs", {"input": {"name": "Ada"}, "tags": ["first"]}, format="json")
    return Run.objects.get(pk=answer.json()["id"])


def test_a_start_is_accepted_and_says_where_to_follow_it(api: APIClient, url: str):
    answer = api.post(f"{url}/runs", {"input": {"name": "Ada"}, "priority": 2}, format="json")

    assert answer.status_code == 202, answer.json()
    body = answer.json()
    assert body["status"] == "queued"
    assert answer.headers["Location"] == body["url"] == f"{RUNS}/{body['id']}"
    detail = api.get(body["url"]).json()
    assert detail["input"] == {"name": "Ada", "times": 1}
    assert (detail["priority"], detail["trigger"], detail["started_by"]) == (2, "api", "ada")
    assert (detail["workflow"], detail["version"], detail["number"]) == ("greeting", 1, 1)
    assert detail["nodes"] == {"done": 0, "total": 2, "by_status": {"queued": 1, "pending": 1}}
    assert detail["usage"] == {"input_tokens": 0, "output_tokens": 0, "cost": 0.0}
    assert detail["progress"] == 0.0
    events = api.get(body["events_url"]).json()
    assert [(event["seq"], event["type"]) for event in events["results"]] == [(1, "run.queued")]


def test_an_input_that_does_not_fit_starts_nothing_and_names_every_place(api: APIClient, url: str):
    answer = api.post(f"{url}/runs", {"input": {"times": "often"}}, format="json")

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"
    assert {problem["path"] for problem in answer.json()["problems"]} == {"input.name", "input.times"}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"input": []}, "input"),
        ({"input": "x"}, "input"),
        ({"priority": 7}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"version": 0}, "version"),
        ({"version": 99}, "version"),
        ({"version": 10**30}, "version"),
        ({"tags": "x"}, "tags"),
        ({"tags": ["x" * 50]}, "tags[0]"),
        ({"origin": "portal"}, "origin"),
        ({"by": "eve"}, "by"),
    ],
)
def test_a_body_that_makes_no_sense_is_a_bad_request_with_its_path(
    api: APIClient, url: str, body: dict[str, Any], path: str
):
    answer = api.post(f"{url}/runs", {"input": {"name": "x"}, **body}, format="json")

    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json()["problems"]] == [path]
    assert not Run.objects.exists()


def test_nothing_published_is_nothing_to_run(api: APIClient):
    slug = api.post("/api/v1/workflows", {"name": "Only a draft"}, format="json").json()["slug"]

    answer = api.post(f"/api/v1/workflows/{slug}/runs", {"input": {"text": "x"}}, format="json")

    assert answer.status_code == 409


@pytest.mark.parametrize("wait", ["-1", "x", "nan", "inf"])
def test_waiting_for_nonsense_starts_nothing(api: APIClient, url: str, wait: str):
    answer = api.post(f"{url}/runs?wait={wait}", {"input": {"name": "x"}}, format="json")

    assert answer.status_code == 400
    assert not Run.objects.exists()


def test_waiting_in_vain_ends_after_the_time_that_was_asked_for(api: APIClient, url: str):
    before = timezone.now()

    answer = api.post(f"{url}/runs?wait=0.2", {"input": {"name": "x"}}, format="json")

    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"
    assert timedelta(seconds=0.2) <= timezone.now() - before < timedelta(seconds=5)


def test_waiting_answers_with_the_output_of_the_run(
    transactional_db: None, worker: Any, api: APIClient, url: str
):
    answer = api.post(f"{url}/runs?wait=30", {"input": {"name": "Ada"}}, format="json")

    assert answer.status_code == 200, answer.json()
    assert answer.json()["status"] == "succeeded"
    assert answer.json()["output"] == {"text": "HELLO ADA"}
    detail = api.get(answer.json()["url"]).json()
    assert detail["progress"] == 1.0
    assert detail["nodes"]["by_status"] == {"succeeded": 2}
    node = api.get(f"{answer.json()['url']}/nodes/shout").json()
    assert (node["status"], node["output"], node["attempt"]) == ("succeeded", "HELLO ADA", 1)


def test_the_list_is_filtered(api: APIClient, url: str, run: Run, operator: User, client_of: Any):
    client_of(operator).post(f"{url}/runs", {"input": {"name": "Otto"}}, format="json")
    Run.objects.filter(number=2).update(status=RunStatus.FAILED)
    soon = (timezone.now() + timedelta(hours=1)).isoformat()

    def numbers(**query: str) -> list[int]:
        answer = api.get(RUNS, query)
        assert answer.status_code == 200, answer.json()
        return [row["number"] for row in answer.json()["results"]]

    assert numbers() == [2, 1]
    assert numbers(status="failed") == [2]
    assert numbers(status="failed,queued") == [2, 1]
    assert numbers(workflow="greeting") == [2, 1]
    assert numbers(workflow=str(run.workflow_id)) == [2, 1]
    assert numbers(workflow="other") == []
    assert numbers(started_by="otto") == [2]
    assert numbers(started_by="me") == [1]
    assert numbers(trigger="api") == [2, 1]
    assert numbers(trigger="portal") == []
    assert numbers(tag="first") == [1]
    assert numbers(started_after=soon) == []
    assert numbers(started_before=soon) == [2, 1]
    assert numbers(started_after="2020-01-01T00:00:00Z") == [2, 1]
    assert numbers(q="greet") == [2, 1]
    assert numbers(q="#2") == [2]
    assert numbers(q=str(run.pk)) == [1]
    assert numbers(q="%%%") == []


@pytest.mark.parametrize(
    "query",
    ["status=done", "trigger=x", "started_after=yesterday", "limit=0", "limit=x", "cursor=x", "cursor=Pjk5"],
)
def test_a_filter_that_makes_no_sense_is_a_bad_request(api: APIClient, team: Team, query: str):
    answer = api.get(f"{RUNS}?{query}")

    assert answer.status_code == 400
    assert answer.json()["problems"][0]["path"] == query.partition("=")[0]


def test_pages_lead_through_all_runs_and_back(api: APIClient, workflow: Workflow, team: Team):
    make_runs(workflow, 7)

    first = api.get(f"{RUNS}?limit=3").json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    back = api.get(third["previous"]).json()

    numbers = [[row["number"] for row in page["results"]] for page in (first, second, third, back)]
    assert numbers == [[7, 6, 5], [4, 3, 2], [1], [4, 3, 2]]
    assert first["previous"] is None
    assert third["next"] is None
    assert [row["number"] for row in api.get(back["previous"]).json()["results"]] == [7, 6, 5]


def test_a_list_of_a_hundred_runs_takes_few_queries(
    api: APIClient, workflow: Workflow, django_assert_max_num_queries: Any
):
    make_runs(workflow, 100)

    with django_assert_max_num_queries(6):
        answer = api.get(f"{RUNS}?limit=100")

    assert len(answer.json()["results"]) == 100


def test_one_run_takes_few_queries(api: APIClient, run: Run, django_assert_max_num_queries: Any):
    with django_assert_max_num_queries(6):
        api.get(f"{RUNS}/{run.pk}")


def test_a_page_never_holds_more_than_two_hundred(api: APIClient, workflow: Workflow):
    make_runs(workflow, 203)

    assert len(api.get(f"{RUNS}?limit=1000000000").json()["results"]) == 200


def test_cancelling_ends_a_run_and_a_second_time_is_a_conflict(api: APIClient, run: Run):
    first = api.post(f"{RUNS}/{run.pk}/cancel")
    second = api.post(f"{RUNS}/{run.pk}/cancel")

    assert first.status_code == 200
    assert first.json()["status"] == "cancelled"
    assert second.status_code == 409
    assert second.json()["code"] == "conflict"


def test_the_log_is_read_in_pieces(api: APIClient, run: Run):
    api.post(f"{RUNS}/{run.pk}/cancel")
    whole = api.get(f"{RUNS}/{run.pk}/events").json()["results"]

    first = api.get(f"{RUNS}/{run.pk}/events?limit=1").json()
    rest = api.get(first["next"]).json()

    assert [event["seq"] for event in whole] == list(range(1, len(whole) + 1))
    assert whole[-1]["type"] == "run.cancelled"
    assert first["results"] + rest["results"] == whole[: 1 + len(rest["results"])]
    assert api.get(f"{RUNS}/{run.pk}/events?after={len(whole)}").json()["results"] == []


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "²", "99999999999999999999999"])
def test_the_log_after_nonsense_is_a_bad_request(api: APIClient, run: Run, after: str):
    assert api.get(f"{RUNS}/{run.pk}/events", {"after": after}).status_code == 400


def test_nodes_inside_maps_have_paths_that_work_in_urls(api: APIClient, run: Run):
    NodeRun.objects.create(
        run=run,
        path="views[2].draft",
        scope="views[2]",
        node="draft",
        kind="llm",
        queue="llm",
        output={"a": 1},
    )

    plain = api.get(f"{RUNS}/{run.pk}/nodes/views[2].draft")
    escaped = api.get(f"{RUNS}/{run.pk}/nodes/views%5B2%5D.draft")

    assert plain.status_code == escaped.status_code == 200
    assert plain.json() == escaped.json()
    assert plain.json()["output"] == {"a": 1}
    assert api.get(f"{RUNS}/{run.pk}/nodes/views[3].draft").status_code == 404
    assert api.get(f"{RUNS}/{run.pk}/nodes/..%2f..%2fetc").status_code == 404


def test_nodes_are_listed_in_order_and_filtered(api: APIClient, run: Run):
    NodeRun.objects.create(run=run, path="views[0].a", scope="views[0]", node="a", kind="llm", queue="llm")

    def paths(query: str) -> list[str]:
        return [row["path"] for row in api.get(f"{RUNS}/{run.pk}/nodes?{query}").json()["results"]]

    assert paths("") == ["greet", "shout", "views[0].a"]
    assert paths("status=queued") == ["greet"]
    assert paths("scope=") == ["greet", "shout"]
    assert paths("scope=views[0]") == ["views[0].a"]
    assert paths("kind=llm") == ["views[0].a"]
    assert api.get(f"{RUNS}/{run.pk}/nodes?status=done").status_code == 400


def test_a_page_of_heavy_nodes_ends_early_and_the_next_goes_on(api: APIClient, run: Run):
    heavy = "x" * 1_000_000
    NodeRun.objects.bulk_create(
        NodeRun(run=run, path=f"m[{n}].a", scope=f"m[{n}]", node="a", kind="llm", queue="llm", output=heavy)
        for n in range(8)
    )
    seen: list[str] = []
    url: str | None = f"{RUNS}/{run.pk}/nodes?limit=200"
    pages = 0

    while url:
        page = api.get(url).json()
        seen += [row["path"] for row in page["results"]]
        url = page["next"]
        pages += 1

    assert seen == ["greet", "shout", *(f"m[{n}].a" for n in range(8))]
    assert pages == 2


def test_runs_answer_to_the_name_of_the_requirements(api: APIClient, workflow: Workflow):
    body = {"workflow": workflow.slug, "input": {"name": "Ada"}}

    answer = api.post("/api/v1/processes/instances", body, format="json")

    assert answer.status_code == 202
    assert [row["id"] for row in api.get("/api/v1/processes/instances").json()["results"]] == [
        answer.json()["id"]
    ]
    assert api.post("/api/v1/processes/instances", {"workflow": "no"}, format="json").status_code == 404


def make_runs(workflow: Workflow, count: int) -> None:
    workflow.refresh_from_db()
    Run.objects.bulk_create(
        Run(
            team_id=workflow.team_id,
            workflow=workflow,
            version=workflow.published,
            number=number,
            id=uuid.UUID(int=(1_700_000_000_000 + number) << 80),
        )
        for number in range(1, count + 1)
    )


def test_nodes_are_counted_without_the_items_of_maps(api: APIClient, run: Run):
    NodeRun.objects.create(run=run, path="each[0]", node=ITEM, kind="item", status="succeeded")

    nodes = api.get(f"{RUNS}/{run.pk}").json()["nodes"]

    assert sum(nodes["by_status"].values()) == nodes["total"] == 2


@pytest.mark.parametrize("place", ["/api/v1/workflows", RUNS, f"{RUNS}/{{run}}/nodes"])
def test_a_misspelt_filter_is_an_error_not_the_whole_list(api: APIClient, run: Run, place: str):
    place = place.format(run=run.pk)

    wrong, right = api.get(f"{place}?staus=failed&limit=1"), api.get(f"{place}?limit=1&team=writers")

    assert (wrong.status_code, right.status_code) == (400, 200)
    [problem] = wrong.json()["problems"]
    assert (problem["path"], problem["code"]) == ("staus", "unknown_parameter")
    assert "limit" in problem["message"]


def test_a_start_with_a_key_that_is_under_way_is_answered_with_that_run(api: APIClient, url: str):
    body = {"input": {"name": "Ada"}, "dedup_key": "order 7"}
    first = api.post(f"{url}/runs", body, format="json")
    again = api.post(f"{url}/runs", body, format="json")

    assert (first.status_code, first.json()["deduplicated"]) == (202, False)
    assert (again.status_code, again.json()["deduplicated"]) == (200, True)
    assert again.json()["id"] == first.json()["id"]
    assert api.get(first.json()["url"]).json()["dedup_key"] == "order 7"


def test_a_workflow_limits_how_many_of_its_runs_go_on(api: APIClient, url: str):
    changed = api.patch(url, {"max_runs": 1, "when_full": "reject"}, format="json")
    assert (changed.json()["max_runs"], changed.json()["when_full"]) == (1, "reject")
    assert api.post(f"{url}/runs", {"input": {"name": "Ada"}}, format="json").status_code == 202

    refused = api.post(f"{url}/runs", {"input": {"name": "Ada"}}, format="json")
    api.patch(url, {"when_full": "queue"}, format="json")
    queued = api.post(f"{url}/runs", {"input": {"name": "Ada"}}, format="json")

    assert (refused.status_code, refused.json()["code"]) == (429, "limit_reached")
    assert int(refused.headers["Retry-After"]) > 0
    assert api.get(queued.json()["url"]).json()["is_held"] is True
    assert api.patch(url, {"max_runs": 0}, format="json").json()["max_runs"] is None
    assert api.patch(url, {"max_runs": -1}, format="json").status_code == 400
