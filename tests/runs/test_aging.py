"""Priorities: what has waited long is sent again with a higher one, so that low is never starved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.runs import dispatch
from apps.runs.actions import aging, pause_run, start_run
from apps.runs.actions.commit import commit
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Advance, Claim
from apps.runs.models import Run
from orchestra.celery import ADVANCE, wire_priority
from workers import canvas

TWO = """
orchestra: 1
nodes:
  one: {kind: function, settings: {name: noop}}
  two: {kind: function, priority: high, settings: {name: noop}}
"""


@pytest.fixture(autouse=True)
def _units_of_one(settings: Any) -> None:
    """Have every segment be a message of its own."""
    settings.ORCHESTRA_UNIT_SIZE = 1


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Any]]:
    """Catch the messages: task, priority, the priority that it raises to."""
    found: list[tuple[str, int, Any]] = []

    def publish(name: str, *, priority: int, **arguments: Any) -> None:
        found.append((name, priority, arguments.get("raised_to")))

    monkeypatch.setattr(dispatch, "publish", publish)
    return found


def waiting(run: Run, seconds: float) -> None:
    """Have a run and its queued nodes wait for so long already."""
    since = timezone.now() - timedelta(seconds=seconds)
    Run.objects.filter(pk=run.pk).update(created_at=since, dispatched_at=since)
    run.node_runs.filter(status="queued").update(queued_at=since)


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (59, 0), (60, 1), (130, 2), (600, 3)])
def test_each_period_of_waiting_is_a_step(seconds: float, expected: int) -> None:
    assert aging.aged(0, seconds) == expected
    assert aging.aged(3, seconds) == 3


def test_a_run_that_was_never_started_is_raised(publish_workflow: Any, editor: Any, sent: list[Any]) -> None:
    run = start_run(workflow=publish_workflow(TWO), input={}, priority=0, by=editor)
    waiting(run, 130)

    assert aging.raise_waiting() == 1

    assert sent == [(ADVANCE, 2, 2)]
    assert aging.raise_waiting() == 0


def test_a_run_of_which_nothing_was_begun_for_long_is_raised_with_all_that_it_sends(
    publish_workflow: Any, editor: Any, sent: list[Any]
) -> None:
    run, book = start_run(workflow=publish_workflow(TWO), input={}, priority=0, by=editor), FactBook()
    commit([Advance(str(run.pk))], worker="w", book=book)
    waiting(run, 70)

    assert aging.raise_waiting() == 1
    [(_task, priority, raised_to)] = sent
    [applied] = commit([Advance(str(run.pk), raised_to)], worker="w", book=book)

    assert priority == raised_to == 1
    by_path = {s.kwargs["path"]: s.options["priority"] for s in canvas.lower(applied.dispatch)}
    assert by_path == {"one": wire_priority(1), "two": wire_priority(2)}


def test_a_node_may_have_a_priority_of_its_own(publish_workflow: Any, editor: Any) -> None:
    run = start_run(workflow=publish_workflow(TWO), input={}, priority=0, by=editor)
    [applied] = commit([Advance(str(run.pk))], worker="w", book=FactBook())

    by_path = {s.kwargs["path"]: s.options["priority"] for s in canvas.lower(applied.dispatch)}

    assert by_path == {"one": wire_priority(0), "two": wire_priority(2)}


@pytest.mark.parametrize("reason", ["served", "paused", "critical", "fresh", "held"])
def test_what_is_served_or_may_not_go_on_is_left_alone(
    publish_workflow: Any, editor: Any, sent: list[Any], reason: str
) -> None:
    priority = 3 if reason == "critical" else 0
    run = start_run(workflow=publish_workflow(TWO), input={}, priority=priority, by=editor)
    if reason != "held":
        commit([Advance(str(run.pk))], worker="w", book=FactBook())
    if reason == "served":
        commit([Claim(str(run.pk), "one", 0)], worker="w", book=FactBook())
    waiting(run, 10 if reason == "fresh" else 500)
    if reason == "paused":
        pause_run(run=run, by=editor)
    if reason == "held":
        Run.objects.filter(pk=run.pk).update(is_held=True)

    assert aging.raise_waiting() == 0
    assert sent == []
