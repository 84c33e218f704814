"""Runs through a real worker: messages, claims, records, maps, joins, retries, cancel."""

from __future__ import annotations

from typing import Any

from apps.runs.actions import start_run
from tests.running import wait_for_end

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
