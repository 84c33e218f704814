"""An agent with a memory, answering on a real worker."""

from __future__ import annotations

from typing import Any

from apps.agents.actions import create_agent, create_connection
from apps.chat import actions
from apps.runs.models import Run
from tests.running import wait_for_end


def test_an_agent_remembers_and_its_tools_are_shown(worker: Any, team: Any, editor: Any) -> None:
    connection = create_connection(
        team=team, name="Sim", dialect="simulated", options={"latency": 0, "tps": 0}, by=editor
    )
    tools = {"tools": ["count_words"]}
    agent = create_agent(team=team, name="Writer", connection=connection, options=tools, by=editor)
    talk = actions.start_conversation(team=team, agent=agent, by=editor)

    actions.send_message(conversation=talk, text="Count the words of: a b c d", by=editor)
    wait_for_end(Run.objects.latest("pk"))
    actions.send_message(conversation=talk, text="Thank you", by=editor)
    run = wait_for_end(Run.objects.latest("pk"))
    actions.settle_answer(talk)

    first, second = talk.messages.filter(author="assistant")
    assert first.status == second.status == "done", (first.error, second.error)
    assert [step["tool"] for step in first.steps] == ["count_words"]
    assert "count_words" in first.text
    assert second.text
    assert run.input["messages"][1]["content"] == first.text
