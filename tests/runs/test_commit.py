"""Claims, records and the upkeep without a worker: what the database promises whatever messages do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.runs.actions import cancel_run, outside, start_run, upkeep
from apps.runs.actions.commit import commit
from apps.runs.actions.doubt import Doubt
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Advance, Applied, Claim, Feed, HandBack, Hold, Operation, Record
from apps.runs.models import NodeRun, Run, Worker
from orchestra.engine.outcome import Done, Expand, Failed, Suspend

TWO = """
orchestra: 1
nodes:
  one: {kind: function, settings: {name: noop}}
  two: {kind: http, needs: [one], settings: {url: "https://example.org"}}
output: done
"""


@pytest.fixture
def book() -> FactBook:
    return FactBook()


@pytest.fixture
def do(book: FactBook) -> Any:
    def do_it(operation: Operation, worker: str = "w1") -> Applied:
        return commit([operation], worker=worker, book=book)[0]

    return do_it


@pytest.fixture
def run(publish_workflow: Any, editor: Any, do: Any) -> Run:
    started = start_run(workflow=publish_workflow(TWO), input={}, by=editor)
    do(Advance(str(started.pk)))
    return started


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Catch the hints that the upkeep sends."""
    hints: list[str] = []
    for module in (upkeep, outside):
        monkeypatch.setattr(module, "send_advance", lambda run, _priority: hints.append(run) or True)
    return hints


def node(run: Run, path: str) -> NodeRun:
    return run.node_runs.get(path=path)


def test_a_message_delivered_twice_claims_once(run: Run, do: Any) -> None:
    first = do(Claim(str(run.pk), "one", 0))
    second = do(Claim(str(run.pk), "one", 0), "w2")

    assert (len(first.claimed), len(second.claimed)) == (1, 0)
    assert (node(run, "one").worker, node(run, "one").attempt) == ("w1", 1)


def test_a_message_that_comes_too_early_claims_nothing(run: Run, do: Any) -> None:
    assert do(Claim(str(run.pk), "two", 0)).claimed == ()


def test_a_message_of_an_older_epoch_claims_nothing(run: Run, do: Any) -> None:
    Run.objects.filter(pk=run.pk).update(epoch=1)

    assert do(Claim(str(run.pk), "one", 0)).claimed == ()


def test_operations_on_a_run_that_does_not_exist_are_refused_quietly(do: Any, db: None) -> None:
    assert do(Claim("01900000-0000-7000-8000-000000000000", "one", 0)) == Applied()


def test_a_result_is_recorded_once(run: Run, do: Any) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]

    first = do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Done("a")))
    second = do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Done("b")))

    assert (first.is_accepted, second.is_accepted) == (True, False)
    assert node(run, "one").output == "a"
    assert run.events.filter(type="node.succeeded", node="one").count() == 1


def test_what_becomes_ready_for_another_queue_is_handed_over_to_be_sent(run: Run, do: Any) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]

    applied = do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Done(), keep="cpu"))

    assert applied.claimed == ()
    assert [(head.path, head.queue) for head in applied.dispatch.heads] == [("two", "io")]
    assert node(run, "two").status == "queued"


def test_what_becomes_ready_in_the_reporters_own_queue_is_claimed_in_the_same_commit(
    run: Run, do: Any
) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]

    applied = do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Done(), keep="io"))

    assert [c.path for c in applied.claimed] == ["two"]
    assert applied.dispatch is None


def test_a_lost_workers_nodes_are_queued_again_and_its_late_result_is_refused(
    run: Run, do: Any, sent: list[str]
) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]
    Worker.objects.create(
        pk="w1", queues="cpu", pool="x", slots=1, seen_at=timezone.now() - timedelta(minutes=1)
    )

    assert upkeep.note_lost_workers() == ["w1"]
    assert upkeep.take_from_lost_workers() == 1

    late = do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Done("late")))
    assert late.is_accepted is False
    assert (node(run, "one").status, node(run, "one").losses, node(run, "one").output) == ("queued", 1, None)
    assert sent == [str(run.pk)]


def test_a_living_workers_nodes_stay_with_it(run: Run, do: Any, sent: list[str]) -> None:
    do(Claim(str(run.pk), "one", 0))
    Worker.objects.create(pk="w1", queues="cpu", pool="x", slots=1)

    assert upkeep.note_lost_workers() == []
    assert upkeep.take_from_lost_workers() == 0
    assert node(run, "one").status == "running"


def test_a_node_that_loses_its_third_worker_fails_as_poison(run: Run, do: Any, sent: list[str]) -> None:
    Worker.objects.create(pk="w1", queues="cpu", pool="x", slots=1, lost_at=timezone.now())
    for _ in range(3):
        do(Claim(str(run.pk), "one", 0))
        upkeep.take_from_lost_workers()

    run.refresh_from_db()
    assert (node(run, "one").status, node(run, "one").error["code"]) == ("failed", "poison")
    assert (run.status, run.error["node"]) == ("failed", "one")


def test_a_worker_that_stops_hands_its_node_back_without_charging_the_attempt(run: Run, do: Any) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]

    applied = do(HandBack(str(run.pk), "one", Hold({"one": claimed.fence})))

    assert [head.path for head in applied.dispatch.heads] == ["one"]
    assert (node(run, "one").status, node(run, "one").attempt) == ("queued", 0)


def test_the_second_turn_of_a_map_or_a_child_costs_no_attempt_whoever_loses_it(
    run: Run, do: Any, sent: list[str]
) -> None:
    run.node_runs.filter(path="one").update(attempt=1, items_total=1)

    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]
    do(HandBack(str(run.pk), "one", Hold({"one": claimed.fence})))
    do(Claim(str(run.pk), "one", 0))
    Worker.objects.create(pk="w1", queues="cpu", pool="x", slots=1, lost_at=timezone.now())
    upkeep.take_from_lost_workers()

    assert (node(run, "one").status, node(run, "one").attempt) == ("queued", 1)


def test_a_lost_message_is_sent_again_unless_the_queue_is_merely_long(
    run: Run, do: Any, sent: list[str]
) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    NodeRun.objects.filter(run=run, path="one").update(queued_at=long_ago)
    Run.objects.filter(pk=run.pk).update(dispatched_at=long_ago)

    assert upkeep.resend_unclaimed(lambda _queue: True) == 0
    assert upkeep.resend_unclaimed(lambda _queue: False) == 1
    assert upkeep.resend_unclaimed(lambda _queue: False) == 0, "it waits before it sends again"
    assert sent == [str(run.pk)]


def test_a_run_whose_first_message_was_lost_is_sent_again(
    publish_workflow: Any, editor: Any, sent: list[str]
) -> None:
    run = start_run(workflow=publish_workflow(TWO), input={}, by=editor)
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=5))

    assert upkeep.resend_unclaimed(lambda _queue: False) == 1
    assert sent == [str(run.pk)]


def test_a_cancelled_run_takes_no_late_result_and_starts_nothing(run: Run, do: Any, editor: Any) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]

    cancel_run(run=run, by=editor)
    late = do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Done()))

    assert late == Applied()
    assert do(Advance(str(run.pk))) == Applied()


def test_many_operations_of_many_runs_commit_together(
    publish_workflow: Any, editor: Any, do: Any, book: FactBook
) -> None:
    workflow = publish_workflow(TWO)
    runs = [str(start_run(workflow=workflow, input={}, by=editor).pk) for _ in range(5)]
    commit([Advance(run) for run in runs], worker="w1", book=book)
    claims = commit([Claim(run, "one", 0) for run in runs], worker="w1", book=book)

    records = [
        Record(c.claimed[0].facts.run, "one", Hold({"one": c.claimed[0].fence}), Done()) for c in claims
    ]
    answers = commit([*records, *records], worker="w1", book=book)

    assert [answer.is_accepted for answer in answers] == [True] * 5 + [False] * 5
    for run in Run.objects.filter(pk__in=runs):
        numbers = list(run.events.values_list("seq", flat=True))
        assert numbers == list(range(1, run.seq + 1))


def test_a_feeder_takes_no_more_than_it_asked_for(publish_workflow: Any, editor: Any, do: Any) -> None:
    nodes = {f"n{i}": {"kind": "function", "settings": {"name": "noop"}} for i in range(5)}
    run = start_run(workflow=publish_workflow({"orchestra": 1, "nodes": nodes}), input={}, by=editor)
    do(Advance(str(run.pk)))

    assert [len(do(Feed(str(run.pk), "cpu", 0, 3)).claimed) for _ in range(3)] == [3, 2, 0]


def test_a_failure_to_be_tried_again_is_laid_down_and_resumed_by_its_holder_only(run: Run, do: Any) -> None:
    claimed = do(Claim(str(run.pk), "one", 0)).claimed[0]
    error = {"code": "tool_unavailable", "message": "away", "hint": "", "transient": True}
    do(Record(str(run.pk), "one", Hold({"one": claimed.fence}), Failed(error, retry_after=0.1)))

    stranger = do(Claim(str(run.pk), "one", 0, fence=claimed.fence + 1), "w2")
    holder = do(Claim(str(run.pk), "one", 0, fence=claimed.fence))

    assert stranger.claimed == ()
    assert [c.attempt for c in holder.claimed] == [2]


def test_a_try_that_was_committed_after_all_is_not_made_again(run: Run, book: FactBook) -> None:
    operations, doubt = [Claim(str(run.pk), "one", 0)], Doubt()

    first = commit(operations, worker="w1", book=book, doubt=doubt)
    again = commit(operations, worker="w1", book=book, doubt=doubt)

    assert again == first
    assert [claimed.path for claimed in again[0].claimed] == ["one"]
    assert node(run, "one").attempt == 1


def test_a_try_that_was_rolled_back_is_made_again(run: Run, book: FactBook) -> None:
    operations, doubt = [Claim(str(run.pk), "one", 0)], Doubt()
    with transaction.atomic():
        commit(operations, worker="w1", book=book, doubt=doubt)
        transaction.set_rollback(True)

    again = commit(operations, worker="w1", book=book, doubt=doubt)

    assert [claimed.path for claimed in again[0].claimed] == ["one"]
    assert node(run, "one").status == "running"


EARLY_MAP = """
orchestra: 1
nodes:
  quick: {kind: function, settings: {name: noop}}
  slow: {kind: function, settings: {name: noop}}
  each:
    kind: map
    needs: [quick, slow]
    join: first
    settings: {items: [1, 2], body: {nodes: {one: {kind: function, settings: {name: noop}}}, output: "{{ item }}"}}
"""


def test_what_arrives_late_at_a_map_with_an_early_join_is_not_counted_as_an_item(
    publish_workflow: Any, editor: Any, do: Any
) -> None:
    run = start_run(workflow=publish_workflow(EARLY_MAP), input={}, by=editor)
    key = str(run.pk)
    do(Advance(key))
    holds = {path: Hold({path: do(Claim(key, path, 0)).claimed[0].fence}) for path in ("quick", "slow")}
    do(Record(key, "quick", holds["quick"], Done()))
    opened = do(Claim(key, "each", 0)).claimed[0]
    do(Record(key, "each", Hold({"each": opened.fence}), Expand([1, 2])))

    do(Record(key, "slow", holds["slow"], Done()))

    assert (node(run, "each").status, node(run, "each").unsettled) == ("waiting", 2)


WAITING = """
orchestra: 1
nodes: {rest: {kind: wait, settings: {seconds: 60}}, after: {kind: function, needs: [rest], settings: {name: noop}}}
"""


def test_a_run_that_cannot_be_changed_holds_up_no_other(
    publish_workflow: Any, editor: Any, do: Any, sent: list[str]
) -> None:
    workflow = publish_workflow(WAITING)
    runs = [str(start_run(workflow=workflow, input={}, by=editor).pk) for _ in range(3)]
    for run in runs:
        do(Advance(run))
        claimed = do(Claim(run, "rest", 0)).claimed[0]
        do(Record(run, "rest", Hold({"rest": claimed.fence}), Suspend("time", due_in=0)))
    Run.objects.filter(pk=runs[1]).update(unsettled=0)

    assert upkeep.end_due_waits() == 2

    ended = NodeRun.objects.filter(path="rest", status="succeeded").values_list("run_id", flat=True)
    assert {str(run) for run in ended} == {runs[0], runs[2]}
