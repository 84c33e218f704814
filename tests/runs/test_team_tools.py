"""Tools of a team in real runs: an HTTP tool of a node and of an agent, and a workflow as a tool."""

from __future__ import annotations

from typing import Any

import pytest

from apps.agents.actions import create_agent, create_connection
from apps.runs.actions import start_run
from apps.runs.models import Run
from apps.tools.actions import create_workflow_tool
from apps.tools.models import ToolUse
from apps.workflows.actions import create_workflow
from orchestra.errors import InvalidWorkflow
from tests.running import nodes_of, wait_for_end
from tests.toolbox.conftest import *  # noqa: F403  (fixtures)

CALL = """
orchestra: 1
nodes: {ask: {kind: tool, settings: {tool: weather.weather, arguments: {city: Oslo}}}}
output: "{{ nodes.ask.output }}"
"""
DOUBLE = """
orchestra: 1
inputs: {type: object, required: [n], properties: {n: {type: integer}}}
nodes: {double: {kind: transform, settings: {value: "{{ inputs.n * 2 }}"}}}
output: {doubled: "{{ nodes.double.output }}"}
"""


def test_a_node_calls_a_tool_of_the_team_under_its_own_key(
    worker: Any, publish_workflow: Any, editor: Any, imported: Any, weather: Any
) -> None:
    run = wait_for_end(start_run(workflow=publish_workflow(CALL), input={}, by=editor))

    assert (run.status, run.output) == ("succeeded", {"path": "/cities/Oslo", "method": "GET"}), run.error
    assert weather.seen[-1].headers["Idempotency-Key"] == f"{run.pk}/ask"
    use = ToolUse.objects.get()
    assert (use.run, use.path, use.state, use.user) == (run.pk, "ask", "succeeded", editor.pk)


def test_a_tool_that_the_team_does_not_have_is_a_problem_of_the_definition(team: Any, editor: Any) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        create_workflow(team=team, name="x", text=CALL, by=editor)

    assert [(one.path, one.code) for one in caught.value.problems] == [
        ("nodes.ask.settings.tool", "unknown_tool")
    ]


def test_an_agent_uses_the_tools_of_its_own_and_a_workflow_is_one(
    worker: Any, publish_workflow: Any, team: Any, editor: Any, imported: Any, weather: Any
) -> None:
    publish_workflow(DOUBLE, name="Double")
    create_workflow_tool(team=team, workflow="double", description="Doubles n.", by=editor)
    connection = create_connection(
        team=team, name="Sim", dialect="simulated", options={"latency": 0, "tps": 0}, by=editor
    )
    tools = ["double", "weather.weather"]
    create_agent(team=team, name="Helper", connection=connection, options={"tools": tools}, by=editor)
    task = 'Go.\n[[call double {"n": 21}]]\n[[call weather-weather {"city": "Rome"}]]'
    workflow = publish_workflow(
        "orchestra: 1\nnodes: {work: {kind: agent, settings: {agent: helper, task: '{{ inputs.task }}'}}}\n"
        "inputs: {type: object, properties: {task: {type: string}}}"
    )

    run = wait_for_end(start_run(workflow=workflow, input={"task": task}, by=editor))

    assert run.status == "succeeded", run.error
    steps = [step for step in nodes_of(run)["work"].output["steps"] if step["type"] == "tool"]
    assert [(step["tool"], step["error"]) for step in steps] == [("double", None), ("weather.weather", None)]
    assert steps[0]["result"] == '{"doubled": 42}'
    child = Run.objects.get(parent=run)
    assert (child.is_part, child.output) == (True, {"doubled": 42})
    assert weather.seen[-1].headers["Idempotency-Key"] == f"{run.pk}/work#2.0"
