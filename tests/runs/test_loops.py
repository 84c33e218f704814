"""Loops on real workers: what a retry keeps, and what a long one costs."""

from __future__ import annotations

from typing import Any

from apps.runs.actions import retry_run, start_run
from apps.runs.models import Run
from tests.running import nodes_of, wait_for_end


def start(publish_workflow: Any, editor: Any, text: str) -> Run:
    return wait_for_end(start_run(workflow=publish_workflow(text), input={}, by=editor))


def test_a_retry_goes_on_at_the_iteration_that_failed(
    worker: Any, publish_workflow: Any, editor: Any, functions_fresh: Any
) -> None:
    run = start(
        publish_workflow,
        editor,
        """
orchestra: 1
nodes:
  again:
    kind: loop
    settings:
      max: 5
      until: "loop.index == 2"
      body:
        nodes:
          count: {kind: function, settings: {name: echo, arguments: {value: "{{ loop.index }}"}}}
          work:
            kind: function
            needs: [count]
            when: "loop.index == 1"
            settings: {name: test_flaky, arguments: {key: loop, failures: 1}}
            retry: {max: 0}
        output: "{{ nodes.count.output }}"
output: "{{ nodes.again.output }}"
""",
    )
    assert (run.status, run.error["code"]) == ("failed", "iteration_failed")

    run = wait_for_end(retry_run(run=run, by=editor))

    nodes = nodes_of(run)
    assert run.output == {"value": 2, "iterations": 3}
    assert functions_fresh.calls["loop"] == 2
    assert [nodes[f"again[{n}].count"].attempt for n in range(3)] == [1, 1, 1]


def test_a_loop_of_a_hundred_counts_its_nodes(worker: Any, publish_workflow: Any, editor: Any) -> None:
    run = start(
        publish_workflow,
        editor,
        """
orchestra: 1
nodes:
  count:
    kind: loop
    settings:
      state: 0
      max: 100
      until: "loop.value == 100"
      body:
        nodes: {add: {kind: transform, settings: {value: "{{ loop.value + 1 }}"}}}
        output: "{{ nodes.add.output }}"
output: "{{ nodes.count.output }}"
""",
    )

    assert run.output == {"value": 100, "iterations": 100}
    assert run.nodes_done == run.nodes_total == 101
