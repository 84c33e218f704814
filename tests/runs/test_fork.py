"""Forks: a new run takes over what is still right, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from apps.runs.actions import fork_run, start_run
from apps.runs.models import Run
from apps.workflows.actions import publish
from orchestra.errors import Conflict, InvalidInput, NotPermitted
from tests.running import nodes_of, wait_for_end
from tests.runs import functions_for_tests as functions

FLOW = """
orchestra: 1
inputs:
  type: object
  properties: {left: {type: integer, default: 1}, right: {type: integer, default: 2}}
variables: {factor: 10}
nodes:
  a: {kind: function, settings: {name: test_noted, arguments: {key: a, value: "{{ inputs.left }}"}}}
  b: {kind: function, settings: {name: test_noted, arguments: {key: b, value: "{{ inputs.right }}"}}}
  c:
    kind: function
    needs: [a]
    settings: {name: test_noted, arguments: {key: c, value: "{{ nodes.a.output * vars.factor }}"}}
  each:
    kind: map
    needs: [b]
    settings:
      items: [1, 2, 3]
      body:
        nodes:
          one:
            kind: function
            settings: {name: test_noted, arguments: {key: "item{{ item }}", value: "{{ item + inputs.right }}"}}
        output: "{{ nodes.one.output }}"
  d:
    kind: function
    needs: [c, each]
    settings: {name: test_noted, arguments: {key: d, value: "{{ [nodes.c.output, nodes.each.output.items] }}"}}
output: "{{ nodes.d.output }}"
"""


@pytest.fixture(autouse=True)
def _fresh_functions() -> None:
    functions.reset()


@pytest.fixture
def ended(worker: Any, publish_workflow: Any, editor: Any) -> Run:
    run = wait_for_end(start_run(workflow=publish_workflow(FLOW), input={}, by=editor))
    assert (run.status, run.output) == ("succeeded", [10, [3, 4, 5]])
    functions.calls.clear()
    return run


def called() -> set[str]:
    return set(functions.calls)


def test_a_fork_with_other_input_does_again_only_what_reads_it(ended: Run, editor: Any) -> None:
    fork = wait_for_end(fork_run(run=ended, input={"left": 5}, by=editor))

    assert (fork.status, fork.output) == ("succeeded", [50, [3, 4, 5]])
    assert called() == {"a", "c", "d"}
    assert (fork.forked_from_id, fork.number, fork.pk != ended.pk) == (ended.pk, 2, True)
    nodes = nodes_of(fork)
    assert {path for path, node in nodes.items() if node.is_reused} == {
        "b", "each", "each[0]", "each[0].one", "each[1]", "each[1].one", "each[2]", "each[2].one",
    }  # fmt: skip
    assert (nodes["b"].attempt, nodes["b"].attempts, nodes["b"].started_at) == (0, [], None)
    assert fork.nodes_done == fork.nodes_total == 8
    queued = fork.events.get(type="run.queued").data
    assert (queued["forked_from"], queued["reused"]) == (str(ended.pk), 8)


def test_a_body_that_reads_changed_input_makes_its_map_run_again(ended: Run, editor: Any) -> None:
    fork = wait_for_end(fork_run(run=ended, input={"right": 7}, by=editor))

    assert fork.output == [10, [8, 9, 10]]
    assert called() == {"b", "item1", "item2", "item3", "d"}


def test_a_fork_from_a_node_does_it_and_all_after_it_again(ended: Run, editor: Any) -> None:
    fork = wait_for_end(fork_run(run=ended, again=["each[1].one"], by=editor))

    assert fork.output == ended.output
    assert called() == {"item1", "item2", "item3", "d"}


def test_a_fork_with_nothing_to_do_again_ends_at_once(ended: Run, editor: Any) -> None:
    fork = wait_for_end(fork_run(run=ended, by=editor))

    assert (fork.status, fork.output, called()) == ("succeeded", ended.output, set())


def test_another_version_does_again_what_means_something_else_in_it(ended: Run, editor: Any) -> None:
    version = publish(workflow=ended.workflow, definition=changed(ended, c="{{ nodes.a.output }}"), by=editor)

    fork = wait_for_end(fork_run(run=ended, version=version, by=editor))

    assert fork.output == [1, [3, 4, 5]]
    assert called() == {"c", "d"}


def test_a_changed_variable_does_again_what_reads_it(ended: Run, editor: Any) -> None:
    definition = {**ended.version.definition, "variables": {"factor": 11}}
    version = publish(workflow=ended.workflow, definition=definition, by=editor)

    fork = wait_for_end(fork_run(run=ended, version=version, by=editor))

    assert (fork.output, called()) == ([11, [3, 4, 5]], {"c", "d"})


def test_a_fork_of_a_failed_run_goes_on_from_the_failure(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    broken = FLOW.replace("key: c, value", "key: c, fail: true, value")
    run = wait_for_end(start_run(workflow=publish_workflow(broken), input={}, by=editor))
    assert run.status == "failed"
    functions.calls.clear()
    version = publish(workflow=run.workflow, definition=changed(run, c="{{ 7 }}"), by=editor)

    fork = wait_for_end(fork_run(run=run, version=version, by=editor))

    assert (fork.status, fork.output, called()) == ("succeeded", [7, [3, 4, 5]], {"c", "d"})


def test_what_reads_the_run_itself_is_never_taken_over(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(
        'orchestra: 1\nnodes: {a: {kind: transform, settings: {value: "{{ run.number }}"}}}\n'
        'output: "{{ nodes.a.output }}"\n'
    )
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert wait_for_end(fork_run(run=run, by=editor)).output == run.output + 1


def test_a_fork_costs_only_what_it_does(ended: Run, editor: Any) -> None:
    ended.node_runs.update(input_tokens=5, cost=1)

    fork = wait_for_end(fork_run(run=ended, by=editor))

    assert set(fork.node_runs.values_list("input_tokens", "cost")) == {(0, 0)}
    assert fork.cost == 0


def test_nonsense_starts_nothing(ended: Run, editor: Any, viewer: Any) -> None:
    with pytest.raises(InvalidInput) as problem:
        fork_run(run=ended, again=["a", "nowhere"], by=editor)
    assert [found.path for found in problem.value.problems] == ["from[1]"]
    with pytest.raises(InvalidInput):
        fork_run(run=ended, input={"left": "x"}, by=editor)
    with pytest.raises(NotPermitted):
        fork_run(run=ended, by=viewer)
    ended.workflow.archived_at = ended.created_at
    with pytest.raises(Conflict):
        fork_run(run=ended, by=editor)
    assert Run.objects.count() == 1


def changed(run: Run, **values: str) -> dict[str, Any]:
    """Return the definition of a run with other values for nodes."""
    nodes = dict(run.version.definition["nodes"])
    for name, value in values.items():
        arguments = {"key": name, "value": value}
        nodes[name] = {**nodes[name], "settings": {"name": "test_noted", "arguments": arguments}}
    return {**run.version.definition, "nodes": nodes}
