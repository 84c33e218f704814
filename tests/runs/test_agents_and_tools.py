"""Agents and tools in real runs: the simulated model, registered functions, the page and the API."""

from __future__ import annotations

from typing import Any

from django.test import Client

from apps.agents.actions import create_agent, create_connection
from apps.runs.actions import start_run
from tests.running import nodes_of, wait_for_end

TEXT = "The cat sat on the mat. It was warm there, and nobody came to look for it that day."
DEFINITION = """
orchestra: 1
inputs: {type: object, required: [task], properties: {task: {type: string}}}
nodes:
  work:
    kind: agent
    retry: {max: 0}
    settings:
      task: "{{ inputs.task }}"
      agent: counter
      tools: [count_words, fibo]
      max_steps: 3
  check: {kind: tool, needs: [work], settings: {tool: count_words, arguments: {text: "{{ nodes.work.output.text }}"}}}
output: {text: "{{ nodes.work.output.text }}", words: "{{ nodes.check.output }}"}
"""


def ran(publish_workflow: Any, team: Any, editor: Any, task: str, **options: Any) -> Any:
    """Return the run of an agent on the simulated model, ended."""
    connection = create_connection(
        team=team, name="Sim", dialect="simulated", options={"latency": 0, "tps": 0, **options}, by=editor
    )
    create_agent(team=team, name="Counter", instructions="You count.", connection=connection, by=editor)
    return wait_for_end(start_run(workflow=publish_workflow(DEFINITION), input={"task": task}, by=editor))


def test_an_agent_uses_its_tools_and_every_step_stands_on_the_node_run(
    worker: Any, publish_workflow: Any, team: Any, editor: Any
) -> None:
    run = ran(publish_workflow, team, editor, f"How many words has this text?\n\n{TEXT}")

    work = nodes_of(run)["work"]
    assert run.status == "succeeded", run.error
    assert "count_words: 19" in run.output["text"]
    assert [(step["type"], step.get("tool")) for step in work.output["steps"]] == [
        ("model", None),
        ("tool", "count_words"),
        ("model", None),
    ]
    assert (
        work.input_tokens == run.input_tokens == sum(s.get("input_tokens", 0) for s in work.output["steps"])
    )
    client = Client()
    client.force_login(editor)
    page = client.get(f"/runs/{run.pk}/nodes/work/").content.decode()
    assert "data-steps" in page
    assert "count_words" in page


def test_an_agent_at_its_step_limit_fails_with_what_it_did(
    worker: Any, publish_workflow: Any, team: Any, editor: Any
) -> None:
    task = "Go.\n" + '[[call fibo {"n": 3}]]\n' * 5
    run = ran(publish_workflow, team, editor, task)

    work = nodes_of(run)["work"]
    assert (run.status, run.error["code"]) == ("failed", "step_limit")
    assert work.output_tokens > 0
    client = Client()
    client.force_login(editor)
    page = client.get(f"/runs/{run.pk}/nodes/work/").content.decode()
    assert "max_steps" in page
    assert "data-steps" in page


def test_the_sample_agent_answers_with_what_its_tools_found(
    worker: Any, publish_workflow: Any, team: Any, editor: Any, settings: Any
) -> None:
    options = {"latency": 0, "tps": 0}
    connection = create_connection(team=team, name="Sim", dialect="simulated", options=options, by=editor)
    create_agent(team=team, name="Writer", slug="writer", connection=connection, by=editor)
    sample = (settings.BASE_DIR / "samples" / "agent.yaml").read_text()

    run = wait_for_end(start_run(workflow=publish_workflow(sample), input={"text": TEXT}, by=editor))

    assert run.status == "succeeded", run.error
    assert "count_words: 19" in run.output["answer"]
    assert "cat sat" in run.output["answer"]
    assert (run.output["steps"], run.output["words"] > 19) == (3, True)
