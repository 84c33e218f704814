"""A person allows or refuses a call of a tool, for these arguments; what has been done is not done again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.agents.actions import create_agent, create_connection
from apps.runs.actions import cancel_run, decide_approval, start_run
from apps.runs.actions.journal import recall
from apps.runs.models import Approval, ApprovalStatus, JournalEntry, Run
from apps.tools.models import ToolUse
from orchestra.errors import Conflict
from orchestra.tools.tool import digest_of
from tests.running import nodes_of, wait_for_end, wait_until
from tests.toolbox.conftest import *  # noqa: F403  (fixtures)

AGENT = """
orchestra: 1
inputs: {type: object, properties: {task: {type: string}}}
nodes: {work: {kind: agent, retry: {max: 0}, settings: {agent: helper, task: "{{ inputs.task }}", approve: [echo]}}}
output: "{{ nodes.work.output.steps }}"
"""
NODE = """
orchestra: 1
nodes:
  drop: {kind: tool, effect: once, settings: {tool: weather.forget, arguments: {city: Oslo}}}
  after: {kind: transform, needs: [drop], settings: {value: "{{ nodes.drop.output.method }}"}}
output: "{{ nodes.after.output }}"
"""


@pytest.fixture
def begin(worker: Any, publish_workflow: Any, team: Any, editor: Any, imported: Any) -> Any:
    """Return a function that starts the agent on scripted calls."""
    connection = create_connection(
        team=team, name="Sim", dialect="simulated", options={"latency": 0, "tps": 0}, by=editor
    )
    tools = ["weather.forget", "weather.weather", "echo"]
    create_agent(team=team, name="Helper", connection=connection, options={"tools": tools}, by=editor)
    workflow = publish_workflow(AGENT)

    def start(*calls: str) -> Run:
        task = "Go.\n" + "\n".join(f"[[call {call}]]" for call in calls)
        run = start_run(workflow=workflow, input={"task": task}, by=editor)
        return wait_until(run, lambda fresh: fresh.is_final or fresh.status == "waiting")

    return start


def the_approval(run: Run) -> Approval:
    return Approval.objects.get(run=run, status=ApprovalStatus.OPEN)


def test_the_yes_is_for_these_arguments_and_earlier_calls_are_not_made_again(
    begin: Any, editor: Any, weather: Any
) -> None:
    run = begin('weather-weather {"city": "Rome"}', 'weather-forget {"city": "Oslo"}')
    asked = the_approval(run)
    before = nodes_of(run)["work"]

    assert asked.call["tool"] == "weather.forget"
    assert asked.call["arguments"] == {"city": "Oslo"}
    assert asked.call["digest"] == digest_of(["weather.forget", {"city": "Oslo"}])
    assert before.input_tokens > 0
    client = Client()
    client.force_login(editor)
    page = client.get("/inbox/").content.decode()
    assert "weather.forget" in page
    assert "Oslo" in page

    decide_approval(approval=asked, decision="approved", by=editor)
    with pytest.raises(Conflict):
        decide_approval(approval=asked, decision="rejected", by=editor)
    run = wait_for_end(run)

    work = nodes_of(run)["work"]
    assert run.status == "succeeded", run.error
    assert [(step["type"], step.get("tool")) for step in run.output] == [
        ("model", None),
        ("tool", "weather.weather"),
        ("model", None),
        ("tool", "weather.forget"),
        ("model", None),
    ]
    sent = [f"{request.method} {request.path}" for request in weather.seen[1:]]
    assert sent == ["GET /cities/Rome", "DELETE /cities/Oslo"]
    assert work.attempt == 1
    assert work.input_tokens == run.input_tokens == sum(step.get("input_tokens", 0) for step in run.output)
    assert list(ToolUse.objects.order_by("id").values_list("tool", "state")) == [
        ("weather.weather", "succeeded"),
        ("weather.forget", "succeeded"),
    ]


def test_a_refusal_is_told_to_the_agent_and_recorded(begin: Any, editor: Any, weather: Any) -> None:
    run = begin('weather-forget {"city": "Oslo"}')

    decide_approval(approval=the_approval(run), decision="rejected", comment="Not Oslo!", by=editor)
    run = wait_for_end(run)

    assert run.status == "succeeded", run.error
    step = next(step for step in run.output if step["type"] == "tool")
    assert "Not Oslo!" in step["error"]
    assert ToolUse.objects.get().code == "tool_refused"
    assert all(request.method != "DELETE" for request in weather.seen)


def test_each_call_asks_for_itself_and_a_node_may_ask_about_functions_too(begin: Any, editor: Any) -> None:
    run = begin('weather-forget {"city": "Oslo"}', 'echo {"value": 1}')
    first = the_approval(run)

    decide_approval(approval=first, decision="approved", by=editor)
    wait_until(run, lambda fresh: Approval.objects.filter(run=run, status=ApprovalStatus.OPEN).exists())
    second = the_approval(run)

    assert (second.pk != first.pk, second.call["tool"]) == (True, "echo")
    cancel_run(run=run, by=editor)
    second.refresh_from_db()
    assert second.status == ApprovalStatus.WITHDRAWN


def test_other_arguments_need_another_yes(begin: Any, editor: Any, weather: Any) -> None:
    run = begin('weather-forget {"city": "Oslo"}')
    approval = the_approval(run)
    Approval.objects.filter(pk=approval.pk).update(call={**approval.call, "digest": "of something else"})

    decide_approval(approval=approval, decision="approved", by=editor)
    wait_until(run, lambda fresh: Approval.objects.filter(run=run).count() == 2)

    assert the_approval(run).call["arguments"] == {"city": "Oslo"}
    assert all(request.method != "DELETE" for request in weather.seen)
    cancel_run(run=run, by=editor)


def test_a_tool_node_waits_for_a_yes_and_its_effect_happens_once(
    worker: Any, publish_workflow: Any, editor: Any, imported: Any, weather: Any
) -> None:
    run = start_run(workflow=publish_workflow(NODE), input={}, by=editor)
    wait_until(run, lambda fresh: fresh.status == "waiting")

    decide_approval(approval=the_approval(run), decision="approved", by=editor)
    run = wait_for_end(run)

    assert (run.status, run.output) == ("succeeded", "DELETE"), run.error
    assert sum(request.method == "DELETE" for request in weather.seen) == 1


def test_a_refused_tool_node_fails_with_the_comment(
    worker: Any, publish_workflow: Any, editor: Any, imported: Any
) -> None:
    run = start_run(workflow=publish_workflow(NODE), input={}, by=editor)
    wait_until(run, lambda fresh: fresh.status == "waiting")

    decide_approval(approval=the_approval(run), decision="rejected", comment="No.", by=editor)
    run = wait_for_end(run)

    assert (run.status, run.error["code"]) == ("failed", "tool_refused")
    assert JournalEntry.objects.filter(run=run).count() == 1
    assert recall(str(run.pk), "drop", 1) == {}
