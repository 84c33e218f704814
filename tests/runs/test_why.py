"""Why a node is not running: the cause, in a sentence, for every status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.runs.actions import probes, start_run
from apps.runs.models import NodeRun, Run, Worker
from apps.runs.why import Around, explain, why

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEFINITION: dict[str, Any] = {
    "orchestra": 1,
    "name": "Chain",
    "inputs": {"type": "object", "properties": {}},
    "nodes": {
        "first": {"kind": "llm", "settings": {"prompt": "x"}},
        "other": {"kind": "llm", "settings": {"prompt": "x"}},
        "last": {"kind": "llm", "needs": ["first", "other"], "settings": {"prompt": "x"}},
    },
}


@pytest.fixture
def run(publish_workflow: Any, editor: User) -> Run:
    started = start_run(workflow=publish_workflow(DEFINITION, name="Chain"), input={}, by=editor)
    Run.objects.update(status="running")
    started.refresh_from_db()
    return started


def node(run: Run, path: str, **fields: Any) -> NodeRun:
    run.node_runs.filter(path=path).update(**fields)
    return run.node_runs.get(path=path)


def code_and_text(found: Any) -> tuple[str, str]:
    assert found is not None
    return found.code, found.text


@pytest.mark.parametrize(
    ("waiting_for", "code", "words"),
    [
        ("retry", "back_off", "2026-03-01 12:00:00"),
        ("items", "items", "3 of its items"),
        ("time", "time", "waits until 2026-03-01"),
        ("signal:paid", "signal", "“paid”"),
        ("limit:requests:main", "limit", "main has used its requests"),
        ("limit:share:main", "limit", "Other teams"),
        ("limit:provider:main", "limit", "asked for a pause"),
        ("effect", "effect", "Nobody knows"),
        ("run:5", "outside", "run:5"),
    ],
)
def test_each_way_to_wait_has_its_sentence(waiting_for: str, code: str, words: str) -> None:
    waiting = NodeRun(status="waiting", waiting_for=waiting_for, due_at=NOW, kind="llm", unsettled=3)

    found = explain(waiting, Around(NOW, "running", items_open=3))

    assert found.code == code
    assert words in found.text


def test_a_paused_run_is_the_first_cause() -> None:
    for status in ("pending", "queued", "waiting"):
        assert explain(NodeRun(status=status, waiting_for="retry"), Around(NOW, "paused")).code == "paused"


def test_what_runs_or_has_ended_has_no_cause_to_wait(run: Run) -> None:
    assert [
        why(node(run, "first", status=status), run) for status in ("running", "succeeded", "skipped")
    ] == [None] * 3


def test_a_node_names_those_before_it_that_have_not_ended(run: Run) -> None:
    node(run, "other", status="succeeded")

    assert code_and_text(why(node(run, "last"), run)) == (
        "before",
        "It follows what has not ended yet: first.",
    )


def test_a_node_whose_queue_nobody_serves_says_so(run: Run) -> None:
    Worker.objects.create(name="w", queues="cpu,control", pool="x", slots=1, version="1")

    assert code_and_text(why(node(run, "first"), run)) == (
        "no_worker",
        "No worker serves the queue “llm”; start one.",
    )


def test_a_queued_node_says_since_when_behind_how_many_and_how_slow_the_queue_is(run: Run) -> None:
    Worker.objects.create(name="w", queues="llm", pool="x", slots=1, version="1")
    probes.due_probes(("llm",), timezone.now() - timedelta(seconds=4))
    probes.note_probe("llm", 1)
    node(run, "other", queued_at=timezone.now() - timedelta(seconds=60))

    found = why(node(run, "first", queued_at=timezone.now() - timedelta(seconds=30)), run)

    assert found is not None
    assert "“llm” for 30 s, behind 1 others; messages need 4.0 s there." in found.text


def test_an_item_that_its_map_holds_back_names_the_map(publish_workflow: Any, editor: User) -> None:
    body = {"nodes": {"say": {"kind": "llm", "settings": {"prompt": "{{ item }}"}}}}
    definition = {
        "orchestra": 1,
        "name": "Map",
        "nodes": {"views": {"kind": "map", "settings": {"items": [1, 2], "concurrency": 1, "body": body}}},
    }
    run = start_run(workflow=publish_workflow(definition, name="Map"), input={}, by=editor)
    Run.objects.update(status="running")
    run.refresh_from_db()
    inside = NodeRun.objects.create(
        run=run, path="views[1].say", scope="views[1]", owner="views", node="say", kind="llm", queue="llm"
    )

    assert code_and_text(why(inside, run)) == (
        "item",
        "Its item has not begun: views works on no more of them at a time.",
    )


def test_the_api_and_the_page_say_why(run: Run, editor: User) -> None:
    api, browser = APIClient(), Client()
    api.force_login(editor)
    browser.force_login(editor)

    shown = api.get(f"/api/v1/runs/{run.pk}/nodes/last").json()["why"]
    page = browser.get(f"/runs/{run.pk}/nodes/last/").content.decode()

    assert shown == {"code": "before", "text": "It follows what has not ended yet: first, other."}
    assert 'data-why="before"' in page
    assert "first, other" in page
    node(run, "last", status="succeeded")
    assert api.get(f"/api/v1/runs/{run.pk}/nodes/last").json()["why"] is None
    translation.deactivate_all()


def test_what_is_queued_before_it_is_counted_only_so_far(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.runs import why as module

    monkeypatch.setattr(module, "COUNTED", 0)
    Worker.objects.create(name="w", queues="llm", pool="x", slots=1, version="1")
    node(run, "other", queued_at=timezone.now() - timedelta(seconds=60))

    found = why(node(run, "first", queued_at=timezone.now()), run)

    assert found is not None
    assert "behind more than 0 others" in found.text


def test_a_run_without_a_place_says_what_it_waits_for(run: Run) -> None:
    Run.objects.update(status="queued", is_held=True)
    run.refresh_from_db()

    code, text = code_and_text(why(run.node_runs.get(path="first"), run))

    assert code == "place"
    assert "As many runs of this workflow go on as may" in text
