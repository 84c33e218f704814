"""Runs through a real worker: messages, claims, records, maps, joins, retries, cancel."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError
from django.utils import timezone

from apps.runs.actions import cancel_run, start_run, upkeep
from apps.runs.actions.operations import Record
from orchestra.celery import QUEUES, app
from orchestra.engine.outcome import Done
from orchestra.errors import Conflict
from tests.running import nodes_of, wait_for_end, wait_until
from tests.runs import functions_for_tests as functions
from workers import recorder


@pytest.fixture(autouse=True)
def _fresh_functions() -> None:
    functions.reset()


CHAIN = """
orchestra: 1
inputs: {type: object, required: [n], properties: {n: {type: integer}}}
nodes:
  first: {kind: function, settings: {name: echo, arguments: {value: "{{ inputs.n }}"}}}
  second: {kind: transform, needs: [first], settings: {value: "{{ nodes.first.output + 1 }}"}}
  third: {kind: function, needs: [second], settings: {name: echo, arguments: {value: "{{ nodes.second.output * 2 }}"}}}
output: {answer: "{{ nodes.third.output }}"}
"""


def test_a_chain_runs_in_order_and_gives_its_output(worker: Any, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(CHAIN)

    run = wait_for_end(start_run(workflow=workflow, input={"n": 20}, by=editor))

    assert (run.status, run.output, run.error) == ("succeeded", {"answer": 42}, None)
    types = list(run.events.values_list("seq", "type", "node"))
    assert [seq for seq, _type, _node in types] == list(range(1, len(types) + 1))
    ended = [node for _seq, type_, node in types if type_ == "node.succeeded"]
    assert ended == ["first", "second", "third"]


MAP = """
orchestra: 1
nodes:
  parts: {kind: transform, settings: {value: [1, 2, 3, 4, 5, 6, 7]}}
  each:
    kind: map
    needs: [parts]
    settings:
      items: "{{ nodes.parts.output }}"
      concurrency: 2
      body:
        nodes:
          square: {kind: function, settings: {name: echo, arguments: {value: "{{ item * item }}"}}}
        output: {index: "{{ index }}", value: "{{ nodes.square.output }}"}
  total: {kind: transform, needs: [each], settings: {value: "{{ nodes.each.output.items | length }}"}}
output: {items: "{{ nodes.each.output.items }}", total: "{{ nodes.total.output }}"}
"""


def test_a_map_runs_its_body_once_per_item_and_keeps_their_order(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(MAP)

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.error is None
    assert run.output["total"] == 7
    assert run.output["items"] == [{"index": i, "value": (i + 1) ** 2} for i in range(7)]
    assert run.nodes_done == run.nodes_total == 3 + 7


def test_a_map_keeps_the_moment_of_its_first_start(worker: Any, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(MAP)

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    first = run.events.filter(type="node.started", node="each").earliest("seq")
    assert nodes_of(run)["each"].started_at == first.at
    assert nodes_of(run)["each"].started_at <= nodes_of(run)["each[0].square"].started_at
    assert all(node.queued_at <= node.started_at for node in nodes_of(run).values())


def chain_with(settings: str, more: str = "") -> str:
    return f"""
orchestra: 1
nodes:
  work: {{kind: function, settings: {settings}{more}}}
  after: {{kind: transform, needs: [work], settings: {{value: "{{{{ nodes.work.output }}}}"}}}}
output: "{{{{ nodes.after.output }}}}"
"""


def test_a_transient_failure_is_tried_again_and_every_attempt_is_kept(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(
        chain_with("{name: test_flaky, arguments: {key: a, failures: 2}}", ", retry: {max: 3, base: 0.01}")
    )

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    work = nodes_of(run)["work"]
    assert (run.status, run.output, work.attempt) == ("succeeded", 3, 3)
    assert [a["status"] for a in work.attempts] == ["failed", "failed", "succeeded"]
    assert run.events.filter(type="node.retrying").count() == 2


def test_a_long_back_off_waits_as_a_row_and_goes_on_when_it_is_due(
    worker: Any, publish_workflow: Any, editor: Any, settings: Any
) -> None:
    workflow = publish_workflow(
        chain_with(
            "{name: test_flaky, arguments: {key: b, failures: 1}}",
            ", retry: {max: 1, base: 60, cap: 60, jitter: false}",
        )
    )
    run = start_run(workflow=workflow, input={}, by=editor)
    wait_until(run, lambda r: r.node_runs.filter(status="waiting", waiting_for="retry").exists())
    assert run.status == "running"

    run.node_runs.filter(path="work").update(due_at=timezone.now() - timedelta(minutes=1))
    assert upkeep.release_due() == 1

    assert wait_for_end(run).output == 2


def test_an_unhandled_failure_fails_the_run_and_skips_what_follows(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(chain_with("{name: test_broken}"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    nodes = nodes_of(run)
    assert run.status == "failed"
    assert (run.error["node"], run.error["message"]) == ("work", "This never works.")
    assert (nodes["work"].status, nodes["after"].status) == ("failed", "skipped")
    assert functions.calls["broken"] == 1


@pytest.mark.parametrize(
    ("on_error", "output"), [("continue", None), ("{output: 7}", 7)], ids=["continue", "stand-in"]
)
def test_a_failure_that_the_definition_bears_lets_the_run_go_on(
    worker: Any, publish_workflow: Any, editor: Any, on_error: str, output: Any
) -> None:
    workflow = publish_workflow(chain_with("{name: test_broken}", f", on_error: {on_error}"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert (run.status, run.output) == ("succeeded", output)
    assert nodes_of(run)["work"].error["code"] == "tool_failed"


BAD_ITEMS = """
orchestra: 1
nodes:
  each:
    kind: map
    settings:
      items: [1, 2, 3, 4, 5, 6]
      concurrency: 1
      on_item_error: {rule}
      body:
        nodes:
          check: {{kind: function, settings: {{name: test_fails_on, arguments: {{value: "{{{{ item }}}}", bad: [3]}}}}}}
        output: "{{{{ nodes.check.output }}}}"
output: "{{{{ nodes.each.output }}}}"
"""


def test_a_map_that_collects_errors_keeps_the_good_items(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(BAD_ITEMS.format(rule="collect"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.status == "succeeded"
    assert run.output["items"] == [1, 2, None, 4, 5, 6]
    assert [error["index"] for error in run.output["errors"]] == [2]


def test_a_map_that_does_not_bear_a_failure_opens_no_further_items(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(BAD_ITEMS.format(rule="fail"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    nodes = nodes_of(run)
    assert run.status == "failed"
    assert "3 is bad" in run.error["message"]
    assert nodes["each[3].check"].status == "cancelled"
    assert run.nodes_done == run.nodes_total


DIAMONDS = """
orchestra: 1
nodes:
  a: {kind: function, settings: {name: echo, arguments: {value: 1}}}
  b: {kind: function, needs: [a], settings: {name: echo, arguments: {value: "{{ nodes.a.output + 1 }}"}}}
  c: {kind: function, needs: [a], settings: {name: echo, arguments: {value: "{{ nodes.a.output + 2 }}"}}}
  d:
    kind: function
    needs: [b, c]
    join: all
    settings: {name: echo, arguments: {value: "{{ nodes.b.output + nodes.c.output }}"}}
  e: {kind: function, needs: [a], settings: {name: echo, arguments: {value: 5}}}
  f:
    kind: function
    needs: [d, e]
    settings: {name: echo, arguments: {value: "{{ nodes.d.output + nodes.e.output }}"}}
  g: {kind: function, needs: [e, c], settings: {name: echo, arguments: {value: "{{ nodes.c.output }}"}}}
output: {f: "{{ nodes.f.output }}", g: "{{ nodes.g.output }}"}
"""


@pytest.mark.parametrize("unit_size", [1, 4, 32])
def test_a_knotted_graph_comes_out_the_same_by_gates_and_by_canvas(
    worker: Any, publish_workflow: Any, editor: Any, settings: Any, unit_size: int
) -> None:
    settings.ORCHESTRA_UNIT_SIZE = unit_size
    workflow = publish_workflow(DIAMONDS)

    runs = [start_run(workflow=workflow, input={}, by=editor) for _ in range(10)]
    ended = [wait_for_end(run) for run in runs]

    assert [(run.status, run.output) for run in ended] == [("succeeded", {"f": 10, "g": 3})] * 10
    for run in ended:
        assert set(run.node_runs.values_list("attempt", flat=True)) == {1}


def test_cancel_ends_a_run_at_once_and_refuses_the_late_result(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(chain_with("{name: test_gate, arguments: {key: held}}"))
    run = start_run(workflow=workflow, input={}, by=editor)
    wait_until(run, lambda _r: functions.calls["held"] == 1)

    cancel_run(run=run, by=editor)
    functions.gates["held"].set()

    assert run.status == "cancelled"
    with pytest.raises(Conflict):
        cancel_run(run=run, by=editor)
    wait_until(run, lambda _r: not worker.pool.host.running)
    assert set(run.node_runs.values_list("status", flat=True)) == {"cancelled"}
    assert run.events.last().type == "run.cancelled"


def test_an_empty_map_gives_an_empty_list(worker: Any, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(MAP.replace("[1, 2, 3, 4, 5, 6, 7]", "[]"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.output == {"items": [], "total": 0}


def test_a_wide_fan_is_fed_and_joined(worker: Any, publish_workflow: Any, editor: Any) -> None:
    nodes = {f"n{i}": {"kind": "function", "settings": {"name": "noop", "arguments": {}}} for i in range(120)}
    join = {"kind": "function", "needs": list(nodes), "settings": {"name": "noop", "arguments": {}}}
    workflow = publish_workflow({"orchestra": 1, "nodes": {**nodes, "join": join}})

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.status == "succeeded"
    assert set(run.node_runs.values_list("status", "attempt")) == {("succeeded", 1)}


def test_each_queue_is_reached_by_its_own_name_only() -> None:
    ways = {name: (app.amqp.queues[name].exchange.name, app.amqp.queues[name].routing_key) for name in QUEUES}

    assert ways == {name: (name, name) for name in QUEUES}


def test_an_outcome_that_the_database_cannot_hold_fails_the_node(
    worker: Any, publish_workflow: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recorder.commit

    def refuse_outputs(operations: Any, **options: Any) -> Any:
        if any(isinstance(op, Record) and isinstance(op.outcome, Done) for op in operations):
            raise DataError("cannot be stored")
        return real(operations, **options)

    monkeypatch.setattr(recorder, "commit", refuse_outputs)
    workflow = publish_workflow(chain_with("{name: noop}"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert (run.status, nodes_of(run)["work"].error["code"]) == ("failed", "internal_error")
