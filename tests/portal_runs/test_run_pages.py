"""Pages of runs: started from a form, listed and filtered, shown with every node, cancelled."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import User
from apps.runs.actions import start_run
from apps.runs.models import NodeRun, Run
from apps.workflows.models import Workflow
from tests.portal_runs.markup import attributes_of

pytestmark = pytest.mark.django_db
FINAL = {"output": {"text": "**Bold** words that are long enough to be shown as a text of their own."}}


def test_the_form_starts_a_run_with_what_was_typed(browse: Any, operator: User, workflow: Workflow) -> None:
    answer = browse(operator).post(
        "/workflows/review/start/",
        {"input-document": "Text", "input-depth": "4", "priority": "2", "tags": "x, y"},
    )

    run = Run.objects.get()
    assert answer["Location"] == f"/runs/{run.pk}/"
    assert run.input == {"document": "Text", "depth": 4}
    assert (run.priority, run.tags, run.origin, run.started_by) == (2, ["x", "y"], "portal", operator)


def test_an_input_that_does_not_fit_starts_nothing_and_is_marked_at_its_field(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    answer = browse(editor).post(
        "/workflows/review/start/", {"input-document": "x", "input-depth": "0", "priority": "1"}
    )

    assert answer.status_code == 422
    assert 'id="id_input-depth_errors"' in answer.content.decode()
    assert not Run.objects.exists()


def test_the_form_remembers_what_the_person_gave_last(browse: Any, editor: User, run: Run) -> None:
    client = browse(editor)

    again = client.get("/workflows/review/start/").content.decode()
    afresh = client.get("/workflows/review/start/?clear").content.decode()

    assert "A *fine* text</textarea>" in again
    assert "A *fine* text" not in afresh


def test_the_form_does_not_show_another_persons_input_unasked(browse: Any, operator: User, run: Run) -> None:
    client = browse(operator)

    assert "A *fine* text" not in client.get("/workflows/review/start/").content.decode()
    assert "A *fine* text" in client.get(f"/workflows/review/start/?from={run.pk}").content.decode()
    assert client.get("/workflows/review/start/?from=nonsense").status_code == 200


def test_the_page_of_a_run_says_where_it_stands_in_attributes(browse: Any, editor: User, run: Run) -> None:
    html = browse(editor).get(f"/runs/{run.pk}/").content.decode()

    [main] = attributes_of(html, "main")
    assert (main["data-run-id"], main["data-run-status"], main["data-seq"]) == (str(run.pk), "queued", "1")
    assert json.loads(main["data-state"])["nodes"]["outline"]["status"] == "queued"
    assert {
        (a["data-node-path"], a["data-node-status"])
        for a in attributes_of(html, "li")
        if "data-node-path" in a
    } == {
        ("outline", "queued"),
        ("views", "pending"),
        ("views[].draft", "pending"),
        ("route", "pending"),
        ("rewrite", "pending"),
    }


def test_maps_are_collapsed_with_counters(browse: Any, editor: User, run: Run, open_items: Any) -> None:
    open_items(["succeeded"] * 12 + ["pending"] * 28)

    html = browse(editor).get(f"/runs/{run.pk}/").content.decode()

    assert html.count("12/40") >= 2
    assert "views[3].draft" not in [a.get("data-node-path") for a in attributes_of(html, "tr")]


def test_a_run_of_thousands_of_nodes_stays_a_small_page(
    browse: Any, editor: User, run: Run, open_items: Any, django_assert_max_num_queries: Any
) -> None:
    open_items(["succeeded"] * 1000)
    client = browse(editor)
    client.get("/runs/")

    with django_assert_max_num_queries(22):
        answer = client.get(f"/runs/{run.pk}/")

    assert len(answer.content) < 400_000


def test_a_result_is_shown_as_sanitised_text(browse: Any, editor: User, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(status="succeeded", **FINAL)

    html = browse(editor).get(f"/runs/{run.pk}/").content.decode()

    assert "<strong>Bold</strong> words" in html


def test_a_failed_run_says_which_node_why_and_what_to_do(browse: Any, editor: User, run: Run) -> None:
    error = {
        "code": "bad_credentials",
        "message": "<b>401</b>",
        "hint": "Open the connection and enter a valid key, then retry the run.",
    }
    NodeRun.objects.filter(run=run, path="outline").update(status="failed", error=error)
    Run.objects.filter(pk=run.pk).update(status="failed", error={**error, "node": "outline"})

    html = browse(editor).get(f"/runs/{run.pk}/").content.decode()

    assert "Write an outline" in html
    assert "&lt;b&gt;401&lt;/b&gt;" in html
    assert error["hint"] in html


@pytest.mark.parametrize(
    "place", ["", "state/", "ending/", "events/", "nodes/outline/", "nodes/views[].draft/"]
)
def test_runs_of_another_team_are_not_there(browse: Any, stranger: User, run: Run, place: str) -> None:
    client = browse(stranger)

    assert client.get(f"/runs/{run.pk}/{place}").status_code == 404
    assert client.get(f"/runs/{uuid4()}/{place}").status_code == 404


def test_cancelling_another_teams_run_is_not_found_and_a_viewers_is_forbidden(
    browse: Any, stranger: User, viewer: User, run: Run
) -> None:
    assert browse(stranger).post(f"/runs/{run.pk}/cancel/").status_code == 404
    assert browse(viewer).post(f"/runs/{run.pk}/cancel/").status_code == 403
    assert "/cancel/" not in browse(viewer).get(f"/runs/{run.pk}/").content.decode()


def test_a_run_is_cancelled_once(browse: Any, operator: User, run: Run) -> None:
    client = browse(operator)

    first = client.post(f"/runs/{run.pk}/cancel/", headers={"Accept": "application/json"})
    second = client.post(f"/runs/{run.pk}/cancel/", headers={"Accept": "application/json"})

    run.refresh_from_db()
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert second.status_code == 409
    assert run.status == "cancelled"


def test_the_panel_of_a_node_is_a_fragment_for_scripts_and_a_page_without(
    browse: Any, editor: User, run: Run
) -> None:
    client = browse(editor)

    page = client.get(f"/runs/{run.pk}/nodes/outline/").content.decode()
    fragment = client.get(
        f"/runs/{run.pk}/nodes/outline/", headers={"X-Requested-With": "fetch"}
    ).content.decode()

    assert "<html" in page
    assert "<html" not in fragment
    assert f"Idempotency-Key: {run.pk}/outline" in fragment


def test_the_panel_shows_what_went_in_what_came_out_and_every_attempt(
    browse: Any, editor: User, run: Run
) -> None:
    failure = {"code": "rate_limited", "message": "Slow down.", "hint": "Wait."}
    attempts = [
        {"attempt": 1, "status": "failed", "error": failure, "started_at": "2026-01-01T10:00:00Z"},
        {"attempt": 2, "status": "succeeded", "error": None, "started_at": "2026-01-01T10:00:03Z"},
    ]
    NodeRun.objects.filter(run=run, path="outline").update(
        status="succeeded", attempt=2, attempts=attempts, model="gpt-x", input={"prompt": "Say *it*"},
        output={"text": "It is **said**.", "data": None}, input_tokens=1200, output_tokens=34, cost="0.0123",
    )  # fmt: skip

    html = browse(editor).get(f"/runs/{run.pk}/nodes/outline/").content.decode()

    for words in (
        "It is <strong>said</strong>.",
        "Say *it*",
        "gpt-x",
        "1.2k in, 34 out",
        "$0.0123",
        "Slow down.",
    ):
        assert words in html


def test_the_panel_of_a_body_node_lists_its_runs_and_the_failed_ones_alone(
    browse: Any, editor: User, run: Run, open_items: Any
) -> None:
    open_items(["succeeded", "failed"] * 40)
    client = browse(editor)

    first = client.get(f"/runs/{run.pk}/nodes/views[].draft/").content.decode()
    second = client.get(f"/runs/{run.pk}/nodes/views[].draft/?page=2").content.decode()
    failed = client.get(f"/runs/{run.pk}/nodes/views[].draft/?failed=1").content.decode()

    assert "/nodes/views%5B0%5D.draft/" in first
    assert "/nodes/views%5B60%5D.draft/" not in first
    assert "/nodes/views%5B60%5D.draft/" in second
    assert failed.count('data-status="failed"') == 40
    assert "/nodes/views%5B0%5D.draft/" not in failed


def test_the_panel_of_a_map_lists_items_and_of_an_item_its_nodes(
    browse: Any, editor: User, run: Run, open_items: Any
) -> None:
    open_items(["succeeded", "running"])
    client = browse(editor)

    of_map = client.get(f"/runs/{run.pk}/nodes/views/").content.decode()
    of_item = client.get(f"/runs/{run.pk}/nodes/views[1]/").content.decode()

    assert "item 0" in of_map
    assert "/nodes/views%5B1%5D/" in of_map
    assert "Look from all sides [1]" in of_item
    assert "/nodes/views%5B1%5D.draft/" in of_item


@pytest.mark.parametrize(
    "path", ["nope", "views[9].draft", "views[].nope", "[]", "views[", "a" * 500, "..", "%27"]
)
def test_a_node_that_is_not_there_is_not_found(browse: Any, editor: User, run: Run, path: str) -> None:
    assert browse(editor).get(f"/runs/{run.pk}/nodes/{path}/").status_code == 404


def test_the_event_log_comes_newest_first_in_pages(browse: Any, editor: User, run: Run) -> None:
    client = browse(editor)

    assert 'data-event-seq="1"' in client.get(f"/runs/{run.pk}/events/").content.decode()
    assert "data-event-seq" not in client.get(f"/runs/{run.pk}/events/?before=1").content.decode()
    assert client.get(f"/runs/{run.pk}/events/?before={'9' * 40}").status_code == 200


def listed(client: Any, query: str = "") -> list[str]:
    html = client.get(f"/runs/{query}").content.decode()
    return [found["data-run-id"] for found in attributes_of(html, "tr") if "data-run-id" in found]


def test_filters_in_the_address_narrow_the_list(browse: Any, editor: User, operator: User, run: Run) -> None:
    other = start_run(workflow=run.workflow, input={"document": "x"}, tags=["urgent"], by=operator)
    Run.objects.filter(pk=other.pk).update(status="failed")
    client, first, second = browse(editor), str(run.pk), str(other.pk)

    assert listed(client) == [second, first]
    assert listed(client, "?status=failed") == [second]
    assert listed(client, "?status=open") == [first]
    assert listed(client, "?mine=1") == [first]
    assert listed(client, "?q=urgent") == [second]
    assert listed(client, "?q=%231") == [first]
    assert listed(client, "?workflow=review&status=queued") == [first]
    assert listed(client, "?workflow=other") == []
    assert listed(client, "?status=nonsense") == [second, first]


def test_pages_of_the_list_follow_a_cursor(browse: Any, editor: User, workflow: Workflow) -> None:
    runs = [start_run(workflow=workflow, input={"document": "x"}, by=editor) for _ in range(43)]
    client = browse(editor)

    first = listed(client)
    second = listed(client, f"?before={first[-1]}")

    assert [*first, *second] == [str(run.pk) for run in reversed(runs)]
    assert len(second) == 3
    assert listed(client, "?before=nonsense") == first


def test_a_long_list_asks_a_fixed_number_of_questions(
    browse: Any, editor: User, workflow: Workflow, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        start_run(workflow=workflow, input={"document": "x"}, by=editor)
    client = browse(editor)
    client.get("/runs/")

    with django_assert_max_num_queries(10):
        client.get("/runs/")


def test_the_script_gets_the_rows_it_asks_for_as_far_as_the_filters_go(
    browse: Any, editor: User, stranger: User, run: Run
) -> None:
    client = browse(editor)

    shown = client.get(f"/runs/rows/?id={run.pk}&id=nonsense&id={uuid4()}").content.decode()
    hidden = client.get(f"/runs/rows/?id={run.pk}&status=failed").content.decode()
    foreign = browse(stranger).get(f"/runs/rows/?id={run.pk}").content.decode()

    assert [found["data-run-id"] for found in attributes_of(shown, "tr")] == [str(run.pk)]
    assert not attributes_of(hidden, "tr")
    assert not attributes_of(foreign, "tr")


def test_ticked_runs_are_cancelled_together_and_ended_ones_left(
    browse: Any, operator: User, run: Run
) -> None:
    ended = start_run(workflow=run.workflow, input={"document": "x"}, by=operator)
    Run.objects.filter(pk=ended.pk).update(status="succeeded")

    answer = browse(operator).post(
        "/runs/bulk/",
        {"action": "cancel", "id": [str(run.pk), str(ended.pk)], "next": "/runs/?mine=1"},
    )

    run.refresh_from_db()
    ended.refresh_from_db()
    assert (run.status, ended.status) == ("cancelled", "succeeded")
    assert answer["Location"] == "/runs/?mine=1"


def test_a_form_cannot_lead_away_from_here(browse: Any, operator: User, run: Run) -> None:
    answer = browse(operator).post(
        "/runs/bulk/", {"action": "cancel", "id": str(run.pk), "next": "https://evil.example/"}
    )

    assert answer["Location"] == "/runs/"


def test_a_strangers_ticked_runs_are_left_alone(browse: Any, stranger: User, run: Run) -> None:
    browse(stranger).post("/runs/bulk/", {"action": "cancel", "id": str(run.pk)})

    run.refresh_from_db()
    assert run.status == "queued"
