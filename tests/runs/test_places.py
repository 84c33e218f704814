"""How many runs of a workflow go on at once, and starts that are the same start."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.runs import dispatch
from apps.runs.actions import cancel_run, fork_run, pause_run, resume_run, start_run
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Advance, Applied, Claim, Operation
from apps.runs.actions.places import settle_all_places
from apps.runs.models import Run
from apps.workflows.actions import update_workflow
from orchestra.errors import LimitReached
from tests.running import wait_for_end, wait_until
from tests.runs import functions_for_tests as functions

ONE = "orchestra: 1\nnodes: {one: {kind: function, settings: {name: noop}}}\n"


@pytest.fixture
def do() -> Any:
    book = FactBook()

    def do_it(operation: Operation) -> Applied:
        return commit([operation], worker="w1", book=book)[0]

    return do_it


@pytest.fixture
def limited(publish_workflow: Any, editor: Any) -> Any:
    """Return a factory of workflows that let `max_runs` go on at once."""

    def make(max_runs: int, when_full: str = "queue", text: str = ONE) -> Any:
        workflow = publish_workflow(text)
        update_workflow(workflow=workflow, max_runs=max_runs, when_full=when_full, by=editor)
        workflow.refresh_from_db()
        return workflow

    return make


def held() -> list[int]:
    return list(
        Run.objects.filter(is_held=True, status="queued").order_by("pk").values_list("number", flat=True)
    )


def test_a_run_without_a_place_is_held_and_no_message_starts_it(limited: Any, editor: Any, do: Any) -> None:
    workflow = limited(1)
    first, second = (start_run(workflow=workflow, input={}, by=editor) for _ in range(2))

    assert (first.is_held, second.is_held) == (False, True)
    for operation in (Advance(str(second.pk)), Claim(str(second.pk), "one", 0)):
        assert do(operation) == Applied()
    second.refresh_from_db()
    assert (second.status, second.started_at) == ("queued", None)


def test_the_most_urgent_held_run_is_next_then_the_oldest(limited: Any, editor: Any) -> None:
    workflow = limited(1)
    runs = [start_run(workflow=workflow, input={}, priority=p, by=editor) for p in (1, 1, 3, 1, 3)]
    order = []

    for run in (runs[0], runs[2], runs[4], runs[1]):
        before = set(held())
        cancel_run(run=run, by=editor)
        settle_all_places()
        order += sorted(before - set(held()))

    assert order == [3, 5, 2, 4]


def test_a_raised_limit_lets_held_runs_go(limited: Any, editor: Any) -> None:
    workflow = limited(1)
    for _ in range(4):
        start_run(workflow=workflow, input={}, by=editor)
    assert held() == [2, 3, 4]

    update_workflow(workflow=workflow, max_runs=3, by=editor)
    assert (settle_all_places(), held()) == (2, [4])
    update_workflow(workflow=workflow, max_runs=0, by=editor)
    assert (settle_all_places(), held()) == (1, [])


def test_a_start_is_refused_where_the_workflow_says_so(limited: Any, editor: Any) -> None:
    workflow = limited(1, "reject")
    first = start_run(workflow=workflow, input={}, by=editor)

    with pytest.raises(LimitReached) as refused:
        start_run(workflow=workflow, input={}, by=editor)
    assert refused.value.retry_after
    cancel_run(run=first, by=editor)
    assert start_run(workflow=workflow, input={}, by=editor).is_held is False
    assert Run.objects.count() == 2


def test_the_oldest_run_makes_room_where_the_workflow_says_so(
    limited: Any, editor: Any, django_capture_on_commit_callbacks: Any
) -> None:
    workflow = limited(2, "replace")
    first, second = (start_run(workflow=workflow, input={}, by=editor) for _ in range(2))

    with django_capture_on_commit_callbacks(execute=True):
        third = start_run(workflow=workflow, input={}, by=editor)

    for run in (first, second, third):
        run.refresh_from_db()
    assert [run.status for run in (first, second, third)] == ["cancelled", "queued", "queued"]
    assert first.events.get(type="run.cancelled").data["reason"] == "replaced"
    assert third.is_held is False


def test_a_run_that_is_undone_first_gives_its_place_up_when_that_is_done(
    worker: Any, limited: Any, editor: Any
) -> None:
    functions.reset()
    undo = {"nodes": {"back": {"kind": "function", "settings": {"name": "noop"}}}}
    gate = {
        "kind": "function",
        "settings": {"name": "test_gate", "arguments": {"key": "k"}},
        "needs": ["act"],
    }
    act = {"kind": "function", "settings": {"name": "noop"}, "compensate": undo}
    workflow = limited(1, "replace", {"orchestra": 1, "nodes": {"act": act, "hold": gate}})
    first = start_run(workflow=workflow, input={}, by=editor)
    wait_until(first, lambda _run: functions.calls["k"] == 1)

    second = start_run(workflow=workflow, input={}, by=editor)
    functions.gates["k"].set()
    first = wait_for_end(first)
    settle_all_places()
    second = wait_for_end(second)

    assert (first.status, second.status) == ("cancelled", "succeeded")
    assert first.node_runs.filter(node="back", status="succeeded").count() == 1
    assert first.finished_at <= second.started_at


def test_a_paused_run_keeps_its_place_and_a_held_one_can_be_paused(
    limited: Any, editor: Any, do: Any
) -> None:
    workflow = limited(1)
    first, second = (start_run(workflow=workflow, input={}, by=editor) for _ in range(2))
    pause_run(run=first, by=editor)
    pause_run(run=second, by=editor)
    assert settle_all_places() == 0
    cancel_run(run=first, by=editor)
    assert settle_all_places() == 0

    resume_run(run=second, by=editor)

    assert (second.status, settle_all_places()) == ("queued", 1)


def test_a_fork_takes_a_place_too(limited: Any, editor: Any) -> None:
    run = start_run(workflow=limited(1), input={}, by=editor)

    assert fork_run(run=run, by=editor).is_held is True


def test_held_runs_follow_one_another_by_themselves(
    worker: Any, limited: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions.reset()
    text = "orchestra: 1\nnodes: {one: {kind: function, settings: {name: test_gate, arguments: {key: k}}}}\n"
    workflow = limited(1, text=text)
    runs = [start_run(workflow=workflow, input={}, by=editor) for _ in range(3)]
    wait_until(runs[0], lambda _run: functions.calls["k"] == 1)
    assert held() == [2, 3]

    functions.gates["k"].set()
    ended = [wait_for_end(run) for run in runs]

    assert [run.status for run in ended] == ["succeeded"] * 3
    assert ended[0].finished_at <= ended[1].started_at <= ended[1].finished_at <= ended[2].started_at


def test_two_starts_at_once_do_not_share_a_place(
    transactional_db: None, limited: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "publish", lambda *_names, **_arguments: None)
    workflow, barrier = limited(1), threading.Barrier(4)
    runs: list[Run] = []

    def start() -> None:
        barrier.wait(10)
        try:
            runs.append(start_run(workflow=workflow, input={}, dedup_key="", by=editor))
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(run.is_held for run in runs) == [False, True, True, True]


def test_a_start_with_the_key_of_an_open_run_is_that_run(publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(ONE)
    first = start_run(workflow=workflow, input={}, dedup_key="order 7", by=editor)

    again = start_run(workflow=workflow, input={}, dedup_key="order 7", by=editor)
    other = start_run(workflow=workflow, input={}, dedup_key="order 8", by=editor)
    elsewhere = start_run(
        workflow=publish_workflow(ONE, name="Other"), input={}, dedup_key="order 7", by=editor
    )

    assert (first.is_deduplicated, again.is_deduplicated) == (False, True)
    assert again.pk == first.pk
    assert len({first.pk, other.pk, elsewhere.pk}) == 3


def test_an_ended_run_counts_within_the_window_only(publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(ONE)
    first = start_run(workflow=workflow, input={}, dedup_key="k", by=editor)
    cancel_run(run=first, by=editor)
    Run.objects.update(created_at=timezone.now() - timedelta(seconds=60))

    within = start_run(workflow=workflow, input={}, dedup_key="k", dedup_seconds=120, by=editor)
    after = start_run(workflow=workflow, input={}, dedup_key="k", dedup_seconds=30, by=editor)

    assert (within.pk == first.pk, after.pk == first.pk) == (True, False)


def test_of_starts_at_once_with_one_key_one_starts(
    transactional_db: None, publish_workflow: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "publish", lambda *_names, **_arguments: None)
    workflow, barrier = publish_workflow(ONE), threading.Barrier(4)
    found: list[Any] = []

    def start() -> None:
        barrier.wait(10)
        try:
            found.append(start_run(workflow=workflow, input={}, dedup_key="k", by=editor).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(found), len(set(found)), Run.objects.count()) == (4, 1, 1)
