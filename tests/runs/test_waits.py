"""Waiting for a time and for signals: exactly once, whoever comes first, and the run says that it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.runs.actions import cancel_run, send_signal, signals, start_run, upkeep
from apps.runs.models import Run
from orchestra.errors import Conflict, InvalidInput, LimitReached, NotPermitted
from tests.running import nodes_of, wait_for_end, wait_until

FOR_SIGNAL = """
orchestra: 1
nodes:
  go: {kind: wait, settings: {signal: go}}
  after: {kind: transform, needs: [go], settings: {value: "{{ nodes.go.output }}"}}
output: "{{ nodes.after.output }}"
"""
FOR_TIME = """
orchestra: 1
nodes:
  pause: {kind: wait, settings: {seconds: 3600}}
  after: {kind: transform, needs: [pause], settings: {value: "{{ nodes.pause.output.reason }}"}}
output: "{{ nodes.after.output }}"
"""
AFTER_WORK = """
orchestra: 1
nodes:
  work: {kind: function, settings: {name: test_gate, arguments: {key: work}}}
  go: {kind: wait, needs: [work], settings: {signal: go}}
output: "{{ nodes.go.output.payload }}"
"""


@pytest.fixture
def start(worker: Any, publish_workflow: Any, editor: Any) -> Any:
    def start_it(text: str) -> Run:
        return start_run(workflow=publish_workflow(text), input={}, by=editor)

    return start_it


def waits(run: Run) -> Run:
    return wait_until(run, lambda fresh: fresh.status == "waiting")


def types(run: Run) -> list[str]:
    return list(run.events.order_by("seq").values_list("type", flat=True))


def test_a_signal_wakes_the_node_that_waits_for_it(start: Any, editor: Any) -> None:
    run = waits(start(FOR_SIGNAL))

    delivery = send_signal(run=run, name="go", payload={"by": "ada"}, by=editor)

    assert (delivery.woken, delivery.is_kept) == (("go",), False)
    assert wait_for_end(run).output == {"reason": "signal", "payload": {"by": "ada"}}
    assert types(run) == [
        "run.queued", "run.started", "node.started", "node.waiting", "run.waiting",
        "signal.received", "node.succeeded", "run.resumed", "node.started", "node.succeeded", "run.succeeded",
    ]  # fmt: skip


def test_a_signal_that_comes_early_is_kept_for_the_first_that_waits(
    start: Any, editor: Any, functions_fresh: Any
) -> None:
    run = start(AFTER_WORK)
    wait_until(run, lambda fresh: fresh.node_runs.filter(path="work", status="running").exists())

    first = send_signal(run=run, name="go", payload=1, by=editor)
    send_signal(run=run, name="go", payload=2, by=editor)
    functions_fresh.gates["work"].set()

    assert first.is_kept
    assert wait_for_end(run).output == 1
    assert list(run.signals.values_list("payload", flat=True)) == [2]


def test_a_second_signal_does_not_wake_twice(start: Any, editor: Any) -> None:
    run = waits(start(FOR_SIGNAL))

    send_signal(run=run, name="go", payload=1, by=editor)
    run = wait_for_end(run)

    with pytest.raises(Conflict):
        send_signal(run=run, name="go", payload=2, by=editor)
    assert types(run).count("node.succeeded") == 2


def test_a_wait_ends_once_when_it_is_due(start: Any) -> None:
    run = waits(start(FOR_TIME))
    assert upkeep.end_due_waits() == 0

    run.node_runs.filter(path="pause").update(due_at=timezone.now() - timedelta(seconds=1))

    assert (upkeep.end_due_waits(), upkeep.end_due_waits()) == (1, 0)
    assert wait_for_end(run).output == "time"


def test_a_waiting_node_keeps_what_it_was_given(start: Any) -> None:
    run = waits(start(FOR_TIME))
    run.node_runs.filter(path="pause").update(due_at=timezone.now() - timedelta(seconds=1))
    upkeep.end_due_waits()

    pause = nodes_of(wait_for_end(run))["pause"]

    assert pause.input == {"seconds": 3600}
    assert (pause.attempt, len(pause.attempts), pause.due_at, pause.waiting_for) == (1, 1, None, "")


def test_a_cancelled_run_does_not_wake(start: Any, editor: Any) -> None:
    run = waits(start(FOR_TIME))
    run.node_runs.filter(path="pause").update(due_at=timezone.now() - timedelta(seconds=1))

    cancel_run(run=run, by=editor)

    assert upkeep.end_due_waits() == 0
    assert nodes_of(run)["pause"].status == "cancelled"


def test_only_so_many_signals_are_kept(start: Any, editor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MOST_KEPT", 1)
    run = waits(start(FOR_SIGNAL))
    send_signal(run=run, name="other", payload=None, by=editor)

    with pytest.raises(LimitReached):
        send_signal(run=run, name="other", payload=None, by=editor)


@pytest.mark.parametrize(
    ("name", "payload"), [("two words", 1), ("", 1), ("x" * 101, 1), ("go", "x" * 70_000)]
)
def test_a_signal_that_makes_no_sense_is_refused(start: Any, editor: Any, name: str, payload: Any) -> None:
    run = waits(start(FOR_SIGNAL))

    with pytest.raises(InvalidInput):
        send_signal(run=run, name=name, payload=payload, by=editor)


def test_a_viewer_sends_no_signals(start: Any, viewer: Any) -> None:
    run = waits(start(FOR_SIGNAL))

    with pytest.raises(NotPermitted):
        send_signal(run=run, name="go", payload=1, by=viewer)


def test_a_wait_for_nonsense_fails_the_node(start: Any) -> None:
    run = start("""
orchestra: 1
nodes:
  pause: {kind: wait, settings: {seconds: "{{ 'x' }}"}}
""")

    assert wait_for_end(run).error["code"] == "bad_wait"
