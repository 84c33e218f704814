"""The limits of a run: its time is up, its money is spent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.agents.actions import create_connection
from apps.runs.actions import admission, cancel_run, limits, start_run, upkeep
from apps.runs.models import Admission, Run
from tests.running import nodes_of, wait_for_end, wait_until
from tests.runs import functions_for_tests as functions

SLOW = """
orchestra: 1
limits: {duration: 3600}
nodes:
  first: {kind: function, settings: {name: echo, arguments: {value: 1}}}
  stuck: {kind: function, needs: [first], settings: {name: test_gate, arguments: {key: stuck}}}
"""


@pytest.fixture(autouse=True)
def _fresh_functions() -> Any:
    functions.reset()
    yield
    for gate in functions.gates.values():
        gate.set()


def test_a_run_whose_time_is_up_fails_and_what_it_ran_is_stopped(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    run = start_run(workflow=publish_workflow(SLOW), input={}, by=editor)
    assert run.deadline_at == run.created_at + timedelta(hours=1)
    wait_until(run, lambda _: functions.calls["stuck"] == 1)
    assert limits.end_overdue() == 0
    Run.objects.filter(pk=run.pk).update(deadline_at=timezone.now())

    assert limits.end_overdue() == 1

    run.refresh_from_db()
    assert (run.status, run.error["code"]) == ("failed", "time_limit")
    assert {path: node.status for path, node in nodes_of(run).items()} == {
        "first": "succeeded",
        "stuck": "cancelled",
    }
    assert run.events.last().type == "run.failed"
    assert limits.end_overdue() == 0
    functions.gates["stuck"].set()


def test_a_run_that_was_cancelled_in_time_stays_cancelled(
    db: None, publish_workflow: Any, editor: Any
) -> None:
    run = start_run(workflow=publish_workflow(SLOW), input={}, by=editor)
    cancel_run(run=run, by=editor)
    Run.objects.filter(pk=run.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))

    assert limits.end_overdue() == 0
    assert Run.objects.get().status == "cancelled"


def test_without_a_limit_there_is_no_deadline(db: None, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(
        {"orchestra": 1, "nodes": {"a": {"kind": "transform", "settings": {"value": 1}}}}
    )

    assert start_run(workflow=workflow, input={}, by=editor).deadline_at is None
    assert limits.deadline_of({"duration": 1e300}, timezone.now()) is None


SPENDING = """
orchestra: 1
limits: {cost: 1.0}
nodes:
  first: {kind: llm, settings: {prompt: "Say one"}}
  second: {kind: llm, needs: [first], settings: {prompt: "Say two"}}
  free: {kind: transform, needs: [second.error], settings: {value: "{{ nodes.second.error.code }}"}}
  third: {kind: llm, needs: [free], settings: {prompt: "Say three"}}
"""


def test_a_run_makes_no_paid_call_once_its_money_is_spent(
    worker: Any, publish_workflow: Any, team: Any, editor: Any
) -> None:
    options = {"latency": 0, "tps": 0, "prices": {"simulated-1": [0, 500_000]}}
    create_connection(team=team, name="Sim", dialect="simulated", options=options, is_default=True, by=editor)

    run = wait_for_end(start_run(workflow=publish_workflow(SPENDING), input={}, by=editor))

    nodes = nodes_of(run)
    assert (run.status, run.error["code"], run.error["node"]) == ("failed", "cost_limit", "third")
    assert nodes["second"].error["code"] == "cost_limit"
    assert (nodes["second"].attempt, nodes["second"].output_tokens) == (1, 0)
    assert nodes["free"].output == "cost_limit"
    assert run.cost == nodes["first"].cost > 1


MANY = """
orchestra: 1
limits: {cost: 3.5}
nodes:
  each:
    kind: map
    settings:
      items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
      concurrency: 12
      body: {nodes: {ask: {kind: llm, settings: {prompt: "Tell me all about {{ item }}", max_tokens: 10}}}, output: 1}
"""


def test_calls_at_the_same_time_cannot_all_spend_what_is_left(
    worker: Any, publish_workflow: Any, team: Any, editor: Any
) -> None:
    options = {"latency": 0.2, "tps": 0, "prices": {"simulated-1": [0, 100_000]}}  # ten tokens are 1.00
    create_connection(team=team, name="Sim", dialect="simulated", options=options, is_default=True, by=editor)

    run = start_run(workflow=publish_workflow(MANY), input={}, by=editor)
    wait_until(run, lambda fresh: upkeep.release_postponed() >= 0 and fresh.is_final)

    asked = run.node_runs.filter(node="ask")
    assert (run.status, float(run.cost)) == ("failed", 4.0)
    assert "its limit is 3.5" in run.error["message"], run.error
    assert asked.filter(status="succeeded").count() == 4
    held_back = run.events.filter(type="node.waiting", data__waiting_for="limit:cost:sim")
    assert held_back.count() >= 8


def test_what_was_kept_of_a_run_s_money_is_forgotten_after_a_day(db: None) -> None:
    admission.change_admission("run:1", lambda state, _now: state.update(spent=1.0))
    admission.change_admission("account", lambda state, _now: state.update(tokens=1))
    assert admission.forget_spending() == 0

    Admission.objects.update(changed_at=timezone.now() - 2 * admission.KEPT)

    assert admission.forget_spending() == 1
    assert [row.account for row in Admission.objects.all()] == ["account"]
