"""Child runs: started once, ended once, cancelled and paid for with their parents."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.portal.overview import today
from apps.runs.actions import cancel_run, retry_run, send_signal, start_run, upkeep
from apps.runs.actions.control import cancel_orphans
from apps.runs.actions.facts import FactBook
from apps.runs.actions.family import start_child
from apps.runs.models import Run
from tests.running import nodes_of, wait_for_end, wait_until

WAITS = "orchestra: 1\nnodes: {go: {kind: wait, settings: {signal: go}}}"
GATED = """
orchestra: 1
nodes: {work: {kind: function, settings: {name: test_gate, arguments: {key: child}}}}
output: "{{ nodes.work.output }}"
"""


def parent_of(child: str, more: str = "") -> str:
    return f"""
orchestra: 1
nodes:
  call: {{kind: workflow, settings: {{workflow: {child}{more}}}}}
output: "{{{{ nodes.call.output }}}}"
"""


@pytest.fixture
def begin(worker: Any, publish_workflow: Any, editor: Any) -> Any:
    """Return a function that publishes a child and starts a parent that calls it."""

    def begin_it(child: str, more: str = "") -> Run:
        publish_workflow(child, name="Child")
        return start_run(
            workflow=publish_workflow(parent_of("child", more), name="Parent"), input={}, by=editor
        )

    return begin_it


def the_child(run: Run) -> Run:
    wait_until(run, lambda fresh: fresh.children.exists())
    return Run.objects.get(parent=run)


def test_the_parent_waits_and_goes_on_when_its_child_has_ended(begin: Any, functions_fresh: Any) -> None:
    run = begin(GATED)
    child = the_child(run)
    wait_until(run, lambda fresh: fresh.status == "waiting")
    assert (child.origin, child.parent_path, child.depth, child.started_by) == (
        "parent",
        "call",
        1,
        run.started_by,
    )

    functions_fresh.gates.setdefault("child", threading.Event()).set()

    assert wait_for_end(run).output == "child"
    child.refresh_from_db()
    assert (child.is_part, child.is_awaited) == (True, False)
    assert nodes_of(run)["call"].attempt == 1


def test_cancelling_the_parent_cancels_what_is_within(begin: Any, editor: Any) -> None:
    run = begin(WAITS)
    child = the_child(run)
    wait_until(child, lambda fresh: fresh.status == "waiting")

    cancel_run(run=run, by=editor)

    child.refresh_from_db()
    assert (child.status, nodes_of(child)["go"].status) == ("cancelled", "cancelled")


def test_a_child_that_was_left_behind_is_cancelled_by_the_upkeep(begin: Any) -> None:
    run = begin(WAITS)
    child = the_child(run)
    wait_until(child, lambda fresh: fresh.status == "waiting")
    wait_until(run, lambda fresh: fresh.status == "waiting")
    Run.objects.filter(pk=run.pk).update(status="cancelled")

    assert (cancel_orphans(), cancel_orphans()) == (1, 0)

    child.refresh_from_db()
    assert child.status == "cancelled"


def test_a_cancelled_child_fails_its_node(begin: Any, editor: Any) -> None:
    run = begin(WAITS)
    child = the_child(run)
    wait_until(run, lambda fresh: fresh.status == "waiting")

    cancel_run(run=child, by=editor)

    assert wait_for_end(run).error["code"] == "child_failed"


def test_a_lost_word_from_the_child_is_made_good_by_the_upkeep(
    worker: Any, begin: Any, functions_fresh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(GATED)
    child = the_child(run)
    wait_until(run, lambda fresh: fresh.status == "waiting")
    monkeypatch.setattr(worker.pool.host.recorder, "_advance", lambda run, priority: None)
    functions_fresh.gates.setdefault("child", threading.Event()).set()
    wait_for_end(child)
    assert upkeep.tell_parents() == 0

    Run.objects.filter(pk=child.pk).update(finished_at=timezone.now() - timedelta(minutes=1))

    assert upkeep.tell_parents() == 1
    assert wait_for_end(run).output == "child"


def test_a_second_attempt_takes_the_child_that_the_first_has_started(begin: Any) -> None:
    run = begin(WAITS)
    child = wait_until(the_child(run), lambda fresh: fresh.status == "waiting")
    wait_until(run, lambda fresh: fresh.status == "waiting")
    facts = FactBook().of([str(run.pk)])[str(run.pk)]

    again = start_child(facts, "call", workflow="child", version=None, given={}, is_part=True)

    assert again.pk == child.pk


def test_what_a_child_uses_counts_once_in_the_parents_sums(begin: Any, editor: Any, team: Any) -> None:
    run = begin(WAITS)
    child = the_child(run)
    wait_until(child, lambda fresh: fresh.status == "waiting")
    Run.objects.filter(pk=child.pk).update(input_tokens=7, output_tokens=3, cost="0.5")

    send_signal(run=child, name="go", payload=None, by=editor)

    run = wait_for_end(run)
    call = nodes_of(run)["call"]
    assert (run.input_tokens, run.output_tokens, float(run.cost)) == (7, 3, 0.5)
    assert (call.input_tokens, call.output_tokens, float(call.cost)) == (7, 3, 0.5)
    assert (today(editor, team).tokens, float(today(editor, team).cost)) == (10, 0.5)


def test_without_waiting_the_output_says_which_run_it_is(begin: Any) -> None:
    run = wait_for_end(begin(WAITS, ", wait: false"))

    child = the_child(run)
    assert run.output == {"run": str(child.pk), "number": child.number}
    wait_until(child, lambda fresh: fresh.status == "waiting")
    assert (child.is_part, child.is_final) == (False, False)


def test_a_workflow_that_calls_itself_ends_at_the_limit(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(parent_of("parent"), name="Parent")

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor), 60)

    deepest = Run.objects.order_by("-depth").first()
    assert (run.status, deepest.depth) == ("failed", 10)
    assert deepest.error["code"] == "child_not_started"
    assert "nested 10 deep" in deepest.error["message"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (", version: 9", "no version 9"),
        (", input: {n: x}", "does not fit"),
        (", input: '{{ 1 }}'", "must be an object"),
    ],
)
def test_a_child_that_cannot_start_says_why(begin: Any, more: str, says: str) -> None:
    child = """
orchestra: 1
inputs: {type: object, properties: {n: {type: integer}}}
nodes: {a: {kind: transform, settings: {value: 1}}}
"""

    run = wait_for_end(begin(child, more))

    assert run.error["code"] == "child_not_started"
    assert says in run.error["message"]


def test_a_retry_starts_the_child_anew(begin: Any, functions_fresh: Any, editor: Any) -> None:
    flaky = "{name: test_flaky, arguments: {key: child, failures: 1}}"
    child = f"orchestra: 1\nnodes: {{work: {{kind: function, retry: {{max: 0}}, settings: {flaky}}}}}\noutput: done"
    run = wait_for_end(begin(child))
    assert run.status == "failed"

    run = wait_for_end(retry_run(run=run, by=editor))

    assert run.output == "done"
    assert run.children.count() == 2
