"""Talking: messages, answers, and what happens when one comes during the other."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Role, Team, User
from apps.agents.actions import create_agent, delete_agent
from apps.chat import actions
from apps.chat.actions.messages import AnswerBusy
from apps.chat.models import Conversation, Message
from apps.runs.actions import cancel_run
from apps.runs.live.drivers import driver
from apps.runs.live.wire import Piece, TextKey
from apps.runs.models import Run
from apps.workflows.models import Workflow
from orchestra.errors import Conflict, InvalidInput, NotPermitted
from tests.chat.conftest import log_of


def test_a_message_starts_a_run_of_the_team_s_chat_workflow(
    talk: Conversation, say: Any, editor: User
) -> None:
    say("  How are you?  ")

    run = Run.objects.get()
    assert run.workflow.slug == "chat"
    assert run.workflow.published is not None
    assert run.input == {"text": "How are you?", "agent": None, "messages": []}
    assert (run.started_by, run.tags) == (editor, ["chat"])
    assert log_of(talk) == [("user", "sent", "How are you?"), ("assistant", "writing", "")]
    talk.refresh_from_db()
    assert talk.title == "How are you?"


def test_the_next_question_takes_what_was_said_along(talk: Conversation, say: Any, answer: Any) -> None:
    say("One?")
    answer("First.")
    say("Two?")

    assert Run.objects.latest("pk").input["messages"] == [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "First."},
    ]
    assert Workflow.objects.count() == 1


def test_what_does_not_fit_is_left_out_and_counted(
    talk: Conversation, say: Any, answer: Any, settings: Any
) -> None:
    say("A long one. " * 20)
    answer("Yes, long. " * 20)
    say("Short.")
    answer("Ok.")
    settings.ORCHESTRA_CHAT_TOKENS = 12
    say("And now?")

    told = Run.objects.latest("pk").input["messages"]
    assert [turn["content"] for turn in told] == ["Short.", "Ok."]
    assert talk.messages.get(status="writing").left_out == 2


def test_a_message_during_an_answer_waits_and_is_answered_in_order(
    talk: Conversation, say: Any, answer: Any
) -> None:
    say("One?")
    say("Two?")
    say("Three?")
    before = Run.objects.count()
    answer("First.")
    assert actions.follow_answers() == 1
    answer("Second.")
    actions.follow_answers()

    assert before == 1
    assert log_of(talk) == [
        ("user", "sent", "One?"), ("assistant", "done", "First."),
        ("user", "sent", "Two?"), ("assistant", "done", "Second."),
        ("user", "sent", "Three?"), ("assistant", "writing", ""),
    ]  # fmt: skip
    assert [turn["content"] for turn in Run.objects.latest("pk").input["messages"]] == [
        "One?", "First.", "Two?", "Second.",
    ]  # fmt: skip
    assert actions.follow_answers() == 0


def test_a_message_during_an_answer_may_be_refused(talk: Conversation, say: Any) -> None:
    say("One?")

    with pytest.raises(AnswerBusy):
        say("Two?", when_busy="reject")
    assert Message.objects.count() == 2


def test_a_message_may_interrupt_the_answer_which_keeps_what_there_is(talk: Conversation, say: Any) -> None:
    say("One?")
    run = Run.objects.get()
    driver().add_text([Piece(TextKey(str(run.pk), "answer", 1), 1, "Half an ans", "Half an ans")])
    say("Two?", when_busy="interrupt")

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert log_of(talk) == [
        ("user", "sent", "One?"), ("assistant", "stopped", "Half an ans"),
        ("user", "sent", "Two?"), ("assistant", "writing", ""),
    ]  # fmt: skip
    assert Run.objects.latest("pk").input["messages"][1]["content"] == "Half an ans"


def test_what_there_is_of_an_answer_stays_also_when_the_upkeep_takes_it_in(
    talk: Conversation, say: Any, editor: User
) -> None:
    say("One?")
    run = Run.objects.get()
    driver().add_text([Piece(TextKey(str(run.pk), "answer", 1), 1, "Half an ans", "Half an ans")])
    cancel_run(run=run, by=editor)

    taken_in = actions.follow_answers()

    assert taken_in == 1
    assert log_of(talk) == [("user", "sent", "One?"), ("assistant", "stopped", "Half an ans")]


def test_a_failed_run_says_why_and_is_not_told_on(talk: Conversation, say: Any, answer: Any) -> None:
    say("One?")
    answer(status="failed", error={"code": "x", "message": "No model.", "hint": "Make one."})
    say("Two?")

    assert log_of(talk)[1] == ("assistant", "failed", "")
    assert talk.messages.get(status="failed").error == "No model. Make one."
    assert [turn["content"] for turn in Run.objects.latest("pk").input["messages"]] == ["One?"]


def test_the_last_answer_can_be_written_anew(talk: Conversation, say: Any, answer: Any, editor: User) -> None:
    say("One?")
    answer("Bad.")
    actions.settle_answer(talk)
    first = talk.messages.get(author="assistant")
    actions.regenerate_answer(message=first, by=editor)
    with pytest.raises(AnswerBusy):
        actions.regenerate_answer(message=talk.messages.get(status="writing"), by=editor)
    answer("Good.")
    actions.settle_answer(talk)

    assert log_of(talk) == [("user", "sent", "One?"), ("assistant", "done", "Good.")]
    with pytest.raises(Conflict):
        actions.regenerate_answer(message=first, by=editor)


def test_editing_forks_the_conversation_and_leaves_the_old_one_alone(
    talk: Conversation, say: Any, answer: Any, editor: User
) -> None:
    say("One?")
    answer("First.")
    said = say("Two?")
    answer("Second.")
    actions.settle_answer(talk)
    before = log_of(talk)
    fork = actions.edit_message(message=said, text="Other?", by=editor)

    assert log_of(talk) == before
    assert log_of(fork) == [
        ("user", "sent", "One?"), ("assistant", "done", "First."),
        ("user", "sent", "Other?"), ("assistant", "writing", ""),
    ]  # fmt: skip
    assert fork.forked_from == talk
    with pytest.raises(Conflict):
        actions.edit_message(message=talk.messages.filter(author="assistant")[0], text="x", by=editor)


def test_a_workflow_takes_the_message_in_its_text_input(
    team: Team, editor: User, publish_workflow: Any
) -> None:
    workflow = publish_workflow({
        "orchestra": 1,
        "inputs": {"type": "object", "properties": {"question": {"type": "string"}, "history": {"type": "array"},
                   "depth": {"type": "integer", "default": 1}}},
        "nodes": {"a": {"kind": "transform", "settings": {"value": "{{ inputs.question }}"}}},
        "output": {"answer": "{{ nodes.a.output }}"},
    })  # fmt: skip
    talk = actions.start_conversation(team=team, workflow=workflow, by=editor)
    actions.send_message(conversation=talk, text="Why?", by=editor)

    run = Run.objects.get()
    assert run.workflow == workflow
    assert run.input == {"question": "Why?", "history": [], "depth": 1}


def test_a_workflow_without_a_place_for_a_message_says_so(
    team: Team, editor: User, publish_workflow: Any
) -> None:
    workflow = publish_workflow({
        "orchestra": 1,
        "inputs": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "nodes": {"a": {"kind": "transform", "settings": {"value": 1}}},
    })  # fmt: skip
    talk = actions.start_conversation(team=team, workflow=workflow, by=editor)

    with pytest.raises(Conflict, match="text input"):
        actions.send_message(conversation=talk, text="Why?", by=editor)
    assert not talk.messages.exists()


def test_an_agent_that_is_gone_is_not_replaced_by_another(team: Team, editor: User) -> None:
    agent = create_agent(team=team, name="Writer", by=editor)
    talk = actions.start_conversation(team=team, agent=agent, by=editor)
    delete_agent(agent=agent, by=editor)
    talk.refresh_from_db()

    with pytest.raises(Conflict, match="gone"):
        actions.send_message(conversation=talk, text="Hi", by=editor)


def test_deleting_a_conversation_stops_what_is_written(talk: Conversation, say: Any, editor: User) -> None:
    say("One?")
    actions.delete_conversation(conversation=talk, by=editor)

    assert Run.objects.get().status == "cancelled"
    assert not Message.objects.exists()


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 32_001])
def test_empty_and_endless_messages_are_refused(say: Any, text: str) -> None:
    with pytest.raises(InvalidInput):
        say(text)


def test_who_may_start_no_runs_does_not_talk_and_nobody_talks_for_another(
    talk: Conversation, team: Team, viewer: User, make_user: Any
) -> None:
    with pytest.raises(NotPermitted):
        actions.start_conversation(team=team, by=viewer)
    other = make_user("otto", team, Role.OWNER)
    for act in (
        lambda: actions.send_message(conversation=talk, text="Hi", by=other),
        lambda: actions.share_conversation(conversation=talk, by=other),
        lambda: actions.stop_answer(conversation=talk, by=other),
        lambda: actions.delete_conversation(conversation=talk, by=other),
    ):
        with pytest.raises(NotPermitted):
            act()
    assert not Conversation.objects.visible_to(other).exists()
