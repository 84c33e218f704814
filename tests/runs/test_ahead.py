"""What workers run before it is recorded: granted and recorded together, or refused together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.runs.actions import cancel_run, start_run
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Applied, Claim, Hold, Operation, Record
from apps.runs.models import NodeRun, Run
from orchestra.engine.outcome import Done
from tests.running import nodes_of, wait_for_end
from tests.runs import functions_for_tests
from workers.pace import Pace

NOOP = {"kind": "function", "settings": {"name": "noop"}}
DIAMOND = {
    "orchestra": 1,
    "nodes": {
        "a": NOOP,
        "b": {**NOOP, "needs": ["a"]},
        "c": {**NOOP, "needs": ["a"]},
        "d": {**NOOP, "needs": ["b", "c"]},
    },
}

Do = Callable[..., list[Applied]]


@pytest.fixture
def do() -> Do:
    book = FactBook()
    return lambda *operations: commit(operations, worker="w1", book=book)


@pytest.fixture
def run(publish_workflow: Any, editor: Any) -> Run:
    return start_run(workflow=publish_workflow(DIAMOND), input={}, by=editor)


def held(run: Run, do: Callable[..., list[Applied]]) -> Hold:
    claimed = do(Claim(str(run.pk), "a", 0))[0].claimed[0]
    return Hold({"a": claimed.fence})


def record(run: Run, path: str, hold: Hold, *ahead: str, **more: Any) -> Operation:
    return Record(str(run.pk), path, hold, Done(path), ahead=ahead, **more)


def test_the_claim_of_the_first_node_starts_the_run(run: Run, do: Do) -> None:
    held(run, do)

    run.refresh_from_db()
    assert (run.status, run.started_at is not None) == ("running", True)
    assert list(run.events.values_list("type", flat=True)) == ["run.queued", "run.started", "node.started"]


def test_a_whole_diamond_is_recorded_in_one_commit(run: Run, do: Do) -> None:
    hold = held(run, do)
    answers = do(
        record(run, "a", hold, "b", "c"),
        record(run, "b", hold),
        record(run, "c", hold, "d"),
        record(run, "d", hold, keep="cpu"),
    )

    run.refresh_from_db()
    assert [answer.is_accepted for answer in answers] == [True] * 4
    assert all(answer.dispatch is None and not answer.claimed for answer in answers)
    assert run.status == "succeeded"
    assert [(n.path, n.status, n.attempt, n.fence, n.output) for n in run.node_runs.all()] == [
        (name, "succeeded", 1, 1, name) for name in "abcd"
    ]
    assert list(run.events.values_list("seq", flat=True)) == list(range(1, run.seq + 1))


def test_what_has_begun_but_not_ended_is_held_by_its_worker(run: Run, do: Do) -> None:
    hold = held(run, do)
    do(record(run, "a", hold, "b", "c"))

    assert {n.path: (n.status, n.worker) for n in run.node_runs.filter(path__in="bc")} == {
        "b": ("running", "w1"),
        "c": ("running", "w1"),
    }
    assert set(hold.fences) == {"a", "b", "c"}


def test_when_the_first_result_is_refused_so_is_all_that_was_built_on_it(run: Run, do: Do) -> None:
    hold = held(run, do)
    NodeRun.objects.filter(run=run, path="a").update(fence=2, worker="w2")
    answers = do(record(run, "a", hold, "b", "c"), record(run, "b", hold), record(run, "c", hold, "d"))

    assert [answer.is_accepted for answer in answers] == [False] * 3
    assert {n.path: n.status for n in run.node_runs.all()} == {
        "a": "running",
        "b": "pending",
        "c": "pending",
        "d": "pending",
    }


def test_a_cancel_in_between_refuses_the_rest(run: Run, do: Do, editor: Any) -> None:
    hold = held(run, do)
    do(record(run, "a", hold, "b", "c"))
    cancel_run(run=run, by=editor)
    answers = do(record(run, "b", hold), record(run, "c", hold, "d"), record(run, "d", hold))

    assert [answer.is_accepted for answer in answers] == [False] * 3
    assert set(run.node_runs.values_list("status", flat=True)) == {"succeeded", "cancelled"}


def test_what_the_reporter_did_not_begin_is_sent_to_others(run: Run, do: Do) -> None:
    answer = do(record(run, "a", held(run, do), keep="io"))[0]

    assert [head.path for head in answer.dispatch.heads] == ["b", "c"]


def test_several_nodes_that_start_the_rest_of_a_unit_are_left_to_its_canvas(run: Run, do: Do) -> None:
    answer = do(record(run, "a", held(run, do), keep="cpu"))[0]

    assert answer.claimed == ()
    assert [head.path for head in answer.dispatch.heads] == ["b", "c"]


def test_a_node_with_an_effect_starts_only_after_what_it_builds_on_is_durable(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    look = {"name": functions_for_tests.LOOK_BACK, "arguments": {"run": "{{ run.id }}"}}
    nodes = {f"n{i}": {**NOOP, "needs": [f"n{i - 1}"] if i else []} for i in range(5)}
    nodes["look"] = {"kind": "function", "needs": ["n4"], "settings": look}
    workflow = publish_workflow({"orchestra": 1, "nodes": nodes})
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.status == "succeeded", run.error
    seen = nodes_of(run)["look"].output
    assert seen == ["n0", "n1", "n2", "n3", "n4"]


def test_node_times_tell_when_it_ran_not_when_it_was_recorded(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    nodes = {f"n{i}": {**NOOP, "needs": [f"n{i - 1}"] if i else []} for i in range(10)}
    run = wait_for_end(
        start_run(workflow=publish_workflow({"orchestra": 1, "nodes": nodes}), input={}, by=editor)
    )
    found = nodes_of(run)

    for index in range(1, 10):
        before, after = found[f"n{index - 1}"], found[f"n{index}"]
        assert before.started_at <= before.finished_at <= after.started_at <= after.finished_at
        assert after.queued_at <= after.started_at


def test_a_node_that_fails_while_others_wait_is_tried_again_by_its_worker(
    worker: Any,
    publish_workflow: Any,
    editor: Any,
    functions_fresh: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pace, "is_quick", lambda *_args: True)
    retry = {"max": 3, "base": 0.01}
    flaky = {
        "kind": "function",
        "needs": ["a"],
        "retry": retry,
        "settings": {"name": "test_pure_flaky", "arguments": {"key": "b", "failures": 2}},
    }
    definition = {**DIAMOND, "nodes": {**DIAMOND["nodes"], "b": flaky}}
    run = wait_for_end(start_run(workflow=publish_workflow(definition), input={}, by=editor))

    assert run.status == "succeeded", run.error
    found = nodes_of(run)
    assert (found["b"].attempt, found["b"].output) == (3, 3)
    assert [found[name].attempt for name in "acd"] == [1, 1, 1]
    assert {one["worker"] for one in found["b"].attempts} == {found["a"].attempts[0]["worker"]}
