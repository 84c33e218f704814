"""Nodes whose work is done elsewhere: given to an agent, taken from a lost one, recorded once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.agents import actions as registry
from apps.agents.models import Agent, AgentToken, Presence
from apps.runs.actions import assignments, cancel_run, start_run
from apps.runs.models import Assignment, Run
from tests.running import wait_for_end, wait_until
from tests.runs.remote_agent import RemoteAgent, in_thread, make_token

REMOTE = """
orchestra: 1
inputs: {type: object, properties: {text: {type: string, default: "Good day"}}}
nodes:
  translate:
    kind: agent
    retry: {max: 1, base: 0.01, jitter: false}
    settings: {task: "Translate: {{ inputs.text }}", requires: ["translate;languages=de"]}
output: "{{ nodes.translate.output }}"
"""
pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def token(team: Team, editor: User) -> AgentToken:
    return make_token(team, editor)


@pytest.fixture
def start(publish_workflow: Any, editor: User) -> Any:
    """Return a function that starts a run whose only node asks for a translator."""
    workflow = publish_workflow(REMOTE)
    return in_thread(lambda: start_run(workflow=workflow, input={}, by=editor))


def waits_for(agent: str) -> Any:
    return lambda run: run.node_runs.get().waiting_for == agent


def forget_leases() -> int:
    """Let every lease run out, and do what the upkeep does then."""
    Assignment.objects.filter(status="leased").update(lease_until=timezone.now() - timedelta(seconds=1))
    count = assignments.take_from_lost_agents()
    assignments.hand_out()
    return count


async def test_a_node_is_done_by_the_agent_that_can_and_says_why(start: Any, token: AgentToken) -> None:
    async with (
        RemoteAgent(token, "French", ["translate;languages=fr"]),
        RemoteAgent(token, "German", ["translate;languages=de"]) as german,
    ):
        run: Run = await start()
        asked = await german.hear("assignment")
        await german.say("progress", asked, share=0.5, note="half of it")
        await german.say("text", asked, text="Guten ")
        usage = {"input_tokens": 7, "output_tokens": 3, "cost": 0.25, "model": "m"}
        accepted = await german.finish(asked, "Guten Tag", usage=usage)
        again = await german.finish(asked, "Guten Abend")
        await in_thread(wait_for_end)(run)

    node = await in_thread(run.node_runs.get)()
    assignment = await in_thread(run.assignments.get)()
    presence = await in_thread(Presence.objects.get)(agent=german.row)
    types = await in_thread(lambda: list(run.events.values_list("type", flat=True)))()
    assert asked["payload"] == {"task": "Translate: Good day"}
    assert asked["idempotency_key"] == f"{run.pk}/translate"
    assert (accepted, again) == (True, True)
    assert (run.status, run.output["text"], run.output["agent"]) == ("succeeded", "Guten Tag", "german")
    assert "the only one free" in run.output["choice"]["reason"]
    assert (node.input_tokens, node.output_tokens, float(node.cost), node.attempt) == (7, 3, 0.25, 1)
    assert node.input["task"] == "Translate: Good day"
    assert assignment.progress == {"share": 0.5, "note": "half of it"}
    assert (presence.done, presence.failed, presence.running) == (1, 0, 0)
    assert types.count("node.assigned") == types.count("node.succeeded") == 1


async def test_a_node_waits_for_an_agent_that_is_not_there_yet(start: Any, token: AgentToken) -> None:
    run: Run = await start()
    await in_thread(wait_until)(run, waits_for("agent"))

    async with RemoteAgent(token, "German", ["translate;languages=de"]) as german:
        assert await german.finish(await german.hear("assignment"), {"data": [1]})
        await in_thread(wait_for_end)(run)

    assert run.output["data"] == [1]


async def test_what_a_lost_agent_had_goes_to_another_and_its_late_result_is_refused(
    start: Any, token: AgentToken
) -> None:
    async with RemoteAgent(token, "First", ["translate"]) as first:
        run: Run = await start()
        lost = await first.hear("assignment")
        async with RemoteAgent(token, "Second", ["translate"]) as second:
            await in_thread(registry.note_sign_of_life)(agent=first.row, report={"slots": 0})
            assert await in_thread(forget_leases)() == 1
            found = await second.hear("assignment")
            late = await first.finish(lost, "from the dead")
            assert await second.finish(found, "from the living")
            await in_thread(wait_for_end)(run)

    assert found["id"] == lost["id"]
    assert found["fence"] > lost["fence"]
    assert late is False
    assert (run.output["text"], run.output["agent"]) == ("from the living", "second")
    assert await in_thread(run.events.filter(type="node.succeeded").count)() == 1


async def test_who_connects_again_keeps_what_it_holds_and_gets_what_it_missed(
    start: Any, token: AgentToken
) -> None:
    async with RemoteAgent(token, "German", ["translate"], slots=2) as german:
        one: Run = await start()
        held = await german.hear("assignment")
        await german.disconnect()
        other: Run = await start()
        await in_thread(wait_until)(other, waits_for("agent"))
        await german.connect(held=[{"id": held["id"], "fence": held["fence"]}])
        missed = await german.hear("assignment")
        assert await german.finish(held, "one")
        assert await german.finish(missed, "other")
        await in_thread(wait_for_end)(one)
        await in_thread(wait_for_end)(other)

    assert (one.output["text"], other.output["text"]) == ("one", "other")


async def test_cancelling_the_run_reaches_the_agent(start: Any, token: AgentToken, editor: User) -> None:
    async with RemoteAgent(token, "German", ["translate"]) as german:
        run: Run = await start()
        asked = await german.hear("assignment")
        await in_thread(cancel_run)(run=run, by=editor)
        cancelled = await german.hear("cancel")
        accepted = await german.finish(asked, "too late")

    assert cancelled["id"] == asked["id"]
    assert accepted is False
    presence = await in_thread(Presence.objects.get)(agent=german.row)
    assert presence.running == 0


async def test_a_failure_is_tried_again_and_what_is_given_back_goes_to_another(
    start: Any, token: AgentToken
) -> None:
    async with (
        RemoteAgent(token, "One", ["translate"]) as one,
        RemoteAgent(token, "Two", ["translate"]) as two,
    ):
        await in_thread(registry.note_sign_of_life)(agent=two.row, report={"slots": 0})
        run: Run = await start()
        await one.say(
            "failed", await one.hear("assignment"), error={"message": "no memory", "transient": True}
        )
        second = await one.hear("assignment")
        await in_thread(registry.note_sign_of_life)(agent=two.row, report={"slots": 1})
        await one.say("nack", second)
        third = await two.hear("assignment")
        await two.say("failed", third, error={"message": "I do not know that language."})
        assert (await two.hear("ack"))["accepted"]
        await in_thread(wait_for_end)(run)

    node = await in_thread(run.node_runs.get)()
    assert second["id"] == third["id"]
    assert [entry["status"] for entry in node.attempts] == ["failed", "failed"]
    assert (run.status, run.error["code"]) == ("failed", "agent_failed")
    assert run.error["message"] == "I do not know that language."


async def test_a_draining_agent_gets_nothing_and_the_third_loss_fails_the_node(
    start: Any, token: AgentToken, editor: User
) -> None:
    async with RemoteAgent(token, "German", ["translate"]) as german:
        agent = await in_thread(Agent.objects.get)(pk=german.row.pk)
        await in_thread(registry.drain_agent)(agent=agent, is_draining=True, by=editor)
        run: Run = await start()
        await in_thread(wait_until)(run, waits_for("agent"))
        assert await in_thread(assignments.hand_out)() == set()
        await in_thread(registry.drain_agent)(agent=agent, is_draining=False, by=editor)
        await in_thread(assignments.hand_out)()
        for _ in range(3):
            await german.hear("assignment")
            assert await in_thread(forget_leases)() == 1
        await in_thread(wait_for_end)(run)

    assert (run.status, run.error["code"]) == ("failed", "agent_lost")


async def test_nonsense_is_told_and_strangers_are_not_let_in(token: AgentToken) -> None:
    async with RemoteAgent(token, "German", ["translate"]) as german:
        await german.say("dance")
        unknown = await german.hear("error")
        await german.say("done", output=1)
        unnamed = await german.hear("error")
        german.key = german.key[:-1] + ("a" if german.key[-1] != "a" else "b")
        with pytest.raises(AssertionError):
            await german.connect()

    assert "hello" in unknown["message"]
    assert "fence" in unnamed["message"]
