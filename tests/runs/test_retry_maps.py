"""Retrying on real workers: of maps and loops only what was lost is done again, with all its automatic retries."""

from __future__ import annotations

from typing import Any

import pytest

from apps.runs.actions import cancel_run, retry_node, retry_run, start_run
from orchestra.errors import Conflict
from tests.running import nodes_of, wait_for_end, wait_until
from tests.runs import functions_for_tests as functions


@pytest.fixture(autouse=True)
def _fresh_functions() -> None:
    functions.reset()


MAP = """
orchestra: 1
nodes:
  each:
    kind: map
    settings:
      items: [0, 1, 2, 3, 4, 5]
      concurrency: 2
      on_item_error: {rule}
      body:
        nodes:
          first: {{kind: function, settings: {{name: noop}}}}
          second:
            kind: function
            needs: [first]
            settings: {{name: test_flaky_item, arguments: {{item: "{{{{ item }}}}"}}}}
        output: "{{{{ nodes.second.output }}}}"
  after:
    kind: function
    needs: [each]
    settings: {{name: echo, arguments: {{value: "{{{{ nodes.each.output.items }}}}"}}}}
output: "{{{{ nodes.after.output }}}}"
"""


def test_of_a_failed_map_only_the_lost_items_are_done_again(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.bad_items.update({2})
    run = wait_for_end(start_run(workflow=publish_workflow(MAP.format(rule="fail")), input={}, by=editor))
    assert run.status == "failed"
    assert functions.calls["item 2"] == 1
    functions.bad_items.clear()

    retry_run(run=run, by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", [0, 1, 2, 3, 4, 5])
    assert {functions.calls[f"item {n}"] for n in (0, 1, 3, 4, 5)} == {1}
    assert functions.calls["item 2"] == 2
    nodes = nodes_of(run)
    assert nodes["each[2].first"].attempt == 1
    assert [a["status"] for a in nodes["each[2].second"].attempts] == ["failed", "succeeded"]
    assert (run.nodes_done, run.nodes_total) == (2 + 12, 2 + 12)


def test_one_node_of_an_item_is_retried_and_its_map_collects_again(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.bad_items.update({2})
    run = wait_for_end(start_run(workflow=publish_workflow(MAP.format(rule="fail")), input={}, by=editor))
    functions.bad_items.clear()

    retry_node(run=run, node=run.node_runs.get(path="each[2].second"), by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", [0, 1, 2, 3, 4, 5])
    assert functions.calls["item 2"] == 2


def test_an_item_that_the_map_bears_is_done_again_when_it_is_asked_for(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.bad_items.update({1, 4})
    run = wait_for_end(start_run(workflow=publish_workflow(MAP.format(rule="collect")), input={}, by=editor))
    assert (run.status, run.output) == ("succeeded", [0, None, 2, 3, None, 5])
    functions.bad_items.clear()

    retry_node(run=run, node=run.node_runs.get(path="each[1]"), by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", [0, 1, 2, 3, None, 5])
    assert (functions.calls["item 1"], functions.calls["item 4"]) == (2, 1)


def test_a_map_that_was_cancelled_in_mid_course_goes_on_where_it_was(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.held_items.update({3})
    run = start_run(workflow=publish_workflow(MAP.format(rule="collect")), input={}, by=editor)
    wait_until(run, lambda _run: functions.calls["item 3"] == 1)
    wait_until(run, lambda r: r.node_runs.filter(path="each[2]", status="succeeded").exists())
    cancel_run(run=run, by=editor)
    functions.held_items.clear()
    functions.open_items.set()
    wait_until(run, lambda _run: not worker.pool.host.running)

    retry_run(run=run, by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", [0, 1, 2, 3, 4, 5])
    assert {functions.calls[f"item {n}"] for n in (0, 1, 2)} == {1}
    assert run.nodes_done == run.nodes_total


def test_a_map_after_a_failure_opens_its_items_afresh(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(
        """
orchestra: 1
nodes:
  work:
    kind: function
    on_error: {output: [1]}
    retry: {max: 0}
    settings: {name: test_flaky, arguments: {key: w, failures: 1}}
  each:
    kind: map
    needs: [work]
    settings:
      items: "{{ [nodes.work.output, nodes.work.output] }}"
      body:
        nodes: {one: {kind: function, settings: {name: echo, arguments: {value: "{{ item }}"}}}}
        output: "{{ nodes.one.output }}"
output: "{{ nodes.each.output.items }}"
"""
    )
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    assert (run.status, run.output) == ("succeeded", [[1], [1]])

    retry_node(run=run, node=run.node_runs.get(path="work"), by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", [2, 2])
    assert (run.nodes_done, run.nodes_total) == (4, 4)


LOOP = """
orchestra: 1
nodes:
  again:
    kind: loop
    settings:
      max: 5
      state: 0
      until: "loop.value >= 3"
      body:
        nodes:
          add:
            kind: function
            on_error: {on_error}
            settings: {{name: test_flaky_item, arguments: {{item: "{{{{ loop.index }}}}"}}}}
        output: "{{{{ loop.value + 1 }}}}"
output: "{{{{ nodes.again.output }}}}"
"""


def test_a_loop_goes_on_from_the_iteration_that_failed(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.bad_items.update({1})
    workflow = publish_workflow(LOOP.format(on_error="fail"))
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    assert run.status == "failed"
    functions.bad_items.clear()

    retry_run(run=run, by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", {"value": 3, "iterations": 3})
    assert [functions.calls[f"item {n}"] for n in range(3)] == [1, 2, 1]
    assert run.nodes_done == run.nodes_total == 4


def test_iterations_after_the_one_that_is_done_again_are_done_again_too(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    functions.bad_items.update({0})
    workflow = publish_workflow(LOOP.format(on_error="continue"))
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    assert run.status == "succeeded"
    functions.bad_items.clear()

    retry_node(run=run, node=run.node_runs.get(path="again[0].add"), by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", {"value": 3, "iterations": 3})
    assert [functions.calls[f"item {n}"] for n in range(3)] == [2, 2, 2]
    assert run.nodes_done == run.nodes_total == 4


def test_a_retry_by_hand_gives_a_node_its_automatic_retries_again(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(
        """
orchestra: 1
nodes:
  work:
    kind: function
    retry: {max: 1, base: 0.01}
    settings: {name: test_flaky, arguments: {key: f, failures: 3}}
output: "{{ nodes.work.output }}"
"""
    )
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    assert (run.status, functions.calls["f"]) == ("failed", 2)

    retry_run(run=run, by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", 4)
    history = [(a["attempt"], a["status"], a.get("retried", False)) for a in nodes_of(run)["work"].attempts]
    assert history == [
        (1, "failed", False),
        (2, "failed", True),
        (3, "failed", False),
        (4, "succeeded", False),
    ]


CHILD = "orchestra: 1\nnodes: {one: {kind: function, settings: {name: test_gate, arguments: {key: child}}}}\n"
PARENT = """
orchestra: 1
nodes:
  work:
    kind: function
    on_error: continue
    retry: {max: 0}
    settings: {name: test_flaky, arguments: {key: w, failures: 1}}
  sub: {kind: workflow, needs: [work], settings: {workflow: child}}
"""


def test_a_child_run_that_is_started_anew_leaves_the_old_one_cancelled(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    publish_workflow(CHILD, name="Child")
    run = start_run(workflow=publish_workflow(PARENT), input={}, by=editor)
    wait_until(run, lambda _run: functions.calls["child"] == 1)

    retry_node(run=run, node=run.node_runs.get(path="work"), by=editor)
    wait_until(run, lambda _run: functions.calls["child"] == 2)
    functions.gates["child"].set()
    run = wait_for_end(run)

    assert run.status == "succeeded"
    children = run.children.order_by("pk").values_list("status", flat=True)
    assert list(children) == ["cancelled", "succeeded"]


def test_a_part_of_a_run_that_has_ended_is_not_retried_alone(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    publish_workflow(CHILD, name="Child")
    run = start_run(workflow=publish_workflow(PARENT), input={}, by=editor)
    wait_until(run, lambda _run: functions.calls["child"] == 1)
    cancel_run(run=run, by=editor)
    functions.gates["child"].set()
    child = wait_for_end(run.children.get())

    with pytest.raises(Conflict, match="retry that one"):
        retry_run(run=child, by=editor)
