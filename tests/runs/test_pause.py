"""Pausing: nothing new is begun, what runs may end, and resuming goes on from there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.runs.actions import cancel_run, pause_run, resume_run, start_run, upkeep
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Advance, Applied, Claim, Feed, HandBack, Hold, Operation, Record
from apps.runs.models import Run
from orchestra.engine.outcome import Done, Failed
from orchestra.errors import Conflict, NotPermitted
from tests.running import wait_for_end, wait_until
from tests.runs import functions_for_tests as functions

TWO = """
orchestra: 1
nodes:
  one: {kind: function, settings: {name: noop}}
  two: {kind: function, needs: [one], settings: {name: noop}}
output: done
"""


@pytest.fixture
def do() -> Any:
    book = FactBook()

    def do_it(operation: Operation) -> Applied:
        return commit([operation], worker="w1", book=book)[0]

    return do_it


@pytest.fixture
def run(publish_workflow: Any, editor: Any, do: Any) -> Run:
    started = start_run(workflow=publish_workflow(TWO), input={}, by=editor)
    do(Advance(str(started.pk)))
    return started


def test_nothing_of_a_paused_run_is_claimed(run: Run, do: Any, editor: Any) -> None:
    pause_run(run=run, by=editor)

    key = str(run.pk)
    assert run.status == "paused"
    assert do(Claim(key, "one", 0)).claimed == ()
    assert do(Feed(key, "cpu", 0, 10)).claimed == ()
    assert do(Advance(key)).dispatch is None


def test_what_runs_is_recorded_but_what_follows_waits_for_the_resume(
    run: Run, do: Any, editor: Any, django_capture_on_commit_callbacks: Any
) -> None:
    key = str(run.pk)
    claimed = do(Claim(key, "one", 0)).claimed[0]
    pause_run(run=run, by=editor)

    applied = do(Record(key, "one", Hold({"one": claimed.fence}), Done("a"), keep="cpu"))

    assert (applied.is_accepted, applied.claimed, applied.dispatch) == (True, (), None)
    assert set(run.node_runs.values_list("path", "status")) == {("one", "succeeded"), ("two", "queued")}
    resume_run(run=run, by=editor)
    assert [head.path for head in do(Advance(key)).dispatch.heads] == ["two"]


def test_a_run_whose_last_node_ends_while_it_is_paused_has_ended(run: Run, do: Any, editor: Any) -> None:
    key = str(run.pk)
    first = do(Claim(key, "one", 0)).claimed[0]
    second = do(Record(key, "one", Hold({"one": first.fence}), Done("a"), keep="cpu")).claimed[0]
    pause_run(run=run, by=editor)

    do(Record(key, "two", Hold({"two": second.fence}), Done("b")))

    run.refresh_from_db()
    assert (run.status, run.output) == ("succeeded", "done")


def test_a_back_off_that_passes_while_paused_waits_for_the_resume(run: Run, do: Any, editor: Any) -> None:
    key = str(run.pk)
    claimed = do(Claim(key, "one", 0)).claimed[0]
    do(
        Record(
            key, "one", Hold({"one": claimed.fence}), Failed({"code": "x", "message": "m"}, retry_after=60)
        )
    )
    pause_run(run=run, by=editor)
    run.node_runs.filter(path="one").update(due_at=timezone.now() - timedelta(minutes=1))

    assert do(Claim(key, "one", 0, claimed.fence)).claimed == ()
    assert upkeep.release_due() == 0
    resume_run(run=run, by=editor)
    assert upkeep.release_due() == 1


def test_a_worker_that_stops_hands_back_a_node_of_a_paused_run(run: Run, do: Any, editor: Any) -> None:
    key = str(run.pk)
    claimed = do(Claim(key, "one", 0)).claimed[0]
    pause_run(run=run, by=editor)

    applied = do(HandBack(key, "one", Hold({"one": claimed.fence})))

    assert applied.dispatch is None
    assert run.node_runs.get(path="one").status == "queued"


def test_a_run_that_has_not_started_is_paused_and_starts_when_it_is_resumed(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    run = start_run(workflow=publish_workflow(TWO), input={}, by=editor)
    pause_run(run=run, by=editor)
    do(Advance(str(run.pk)))
    assert run.status == "paused"

    resume_run(run=run, by=editor)

    assert run.status == "queued"
    do(Advance(str(run.pk)))
    run.refresh_from_db()
    assert run.status == "running"
    assert list(run.events.values_list("type", flat=True)) == [
        "run.queued",
        "run.paused",
        "run.resumed",
        "run.started",
    ]


def test_pausing_twice_resuming_twice_and_pausing_an_ended_run_are_conflicts(run: Run, editor: Any) -> None:
    pause_run(run=run, by=editor)
    with pytest.raises(Conflict, match="paused already"):
        pause_run(run=run, by=editor)
    resume_run(run=run, by=editor)
    with pytest.raises(Conflict, match="not paused"):
        resume_run(run=run, by=editor)
    cancel_run(run=run, by=editor)
    with pytest.raises(Conflict, match="ended"):
        pause_run(run=run, by=editor)


def test_a_paused_and_a_queued_run_can_be_cancelled(run: Run, publish_workflow: Any, editor: Any) -> None:
    pause_run(run=run, by=editor)
    queued = start_run(workflow=publish_workflow(TWO, name="Other"), input={}, by=editor)

    for one in (run, queued):
        cancel_run(run=one, by=editor)

        assert one.status == "cancelled"
        assert set(one.node_runs.values_list("status", flat=True)) == {"cancelled"}


def test_who_only_looks_may_not_pause(run: Run, viewer: Any) -> None:
    with pytest.raises(NotPermitted):
        pause_run(run=run, by=viewer)
    with pytest.raises(NotPermitted):
        resume_run(run=run, by=viewer)


def test_a_run_is_paused_in_mid_course_and_ends_as_if_nothing_had_been(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.reset()
    gated = TWO.replace("noop}}\n  two", "test_gate, arguments: {key: first}}}\n  two")
    run = start_run(workflow=publish_workflow(gated), input={}, by=editor)
    wait_until(run, lambda _run: functions.calls["first"] == 1)
    pause_run(run=run, by=editor)
    functions.gates["first"].set()
    wait_until(run, lambda r: r.node_runs.filter(path="two", status="queued").exists())
    wait_until(run, lambda _run: not worker.pool.host.running)
    assert run.status == "paused"

    resume_run(run=run, by=editor)

    assert wait_for_end(run).status == "succeeded"
    assert set(run.node_runs.values_list("attempt", flat=True)) == {1}


def test_pausing_and_resuming_under_load_loses_nothing_and_doubles_nothing(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    nodes: dict[str, Any] = {}
    for lane in range(6):
        for step in range(6):
            needs = [f"n{lane}_{step - 1}"] if step else []
            settings = {"name": "noop", "arguments": {}}
            nodes[f"n{lane}_{step}"] = {"kind": "function", "needs": needs, "settings": settings}
    nodes["end"] = {
        "kind": "function",
        "needs": [f"n{lane}_5" for lane in range(6)],
        "settings": {"name": "noop"},
    }
    run = start_run(workflow=publish_workflow({"orchestra": 1, "nodes": nodes}), input={}, by=editor)

    pauses = 0
    while pauses < 15:
        try:
            pause_run(run=run, by=editor)
            resume_run(run=run, by=editor)
        except Conflict:
            break  # it has ended, which it may also do while it is paused
        pauses += 1
    run = wait_for_end(run)

    assert run.status == "succeeded"
    assert set(run.node_runs.values_list("status", "attempt")) == {("succeeded", 1)}
    assert list(run.events.values_list("seq", flat=True)) == list(range(1, run.seq + 1))
    assert pauses > 0
