"""Answers: a run is begun for a message, and its end is taken into the conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.chat.memory import DEFINITION, SLUG, answer_in, input_for, memory_of, steps_in
from apps.chat.models import Author, Conversation, Message, MessageStatus, Partner
from apps.runs.actions import start_run
from apps.runs.live import texts_so_far
from apps.runs.models import Origin, Run
from apps.workflows.actions import ensure_own_workflow
from apps.workflows.models import Workflow
from orchestra.engine.status import FINAL_RUN, RunStatus
from orchestra.errors import Conflict, OrchestraError

BATCH = 100
TAG = "chat"
ENDINGS = {
    RunStatus.SUCCEEDED: MessageStatus.DONE,
    RunStatus.FAILED: MessageStatus.FAILED,
    RunStatus.CANCELLED: MessageStatus.STOPPED,
}


def begin_answer(conversation: Conversation, question: Message, *, origin: str = Origin.PORTAL) -> Message:
    """Start the run that answers a message, in the owner's name; the conversation is locked.

    Raises Conflict (the partner is gone, switched off or takes no message), NotPermitted, InvalidInput, LimitReached.
    """
    before = conversation.messages.filter(position__lt=question.position)
    memory = memory_of(list(before), question.text)
    workflow, more = _partner(conversation)
    if workflow.published is None:
        raise Conflict(_("The workflow has no published version; publish it first."))
    schema = workflow.published.definition.get("inputs")
    given = input_for(schema if isinstance(schema, Mapping) else {}, question.text, memory)
    run = start_run(
        workflow=workflow, input={**given, **more}, tags=[TAG], origin=origin, by=_owner(conversation)
    )
    question.status = MessageStatus.SENT
    question.save(update_fields=["status"])
    waiting = conversation.messages.filter(status=MessageStatus.WAITING, position__gt=question.position)
    waiting.update(position=F("position") + 1)
    return Message.objects.create(
        conversation=conversation,
        position=question.position + 1,
        author=Author.ASSISTANT,
        status=MessageStatus.WRITING,
        run=run,
        left_out=memory.left_out,
    )


def settle_answer(conversation: Conversation) -> bool:
    """Take in the answer that was being written, when its run has ended, and begin the next; say whether it had.

    Of an answer that was stopped what there was of it stays. Safe to repeat and to do twice at once.
    """
    with transaction.atomic():
        locked: Conversation = Conversation.objects.select_for_update().get(pk=conversation.pk)
        message = locked.messages.filter(status=MessageStatus.WRITING).select_related("run").first()
        if message is not None and message.run is not None and message.run.status not in FINAL_RUN:
            return False
        if message is not None:
            _take_in(message, message.run)
        _begin_next(locked)
        if message is not None:
            Conversation.objects.filter(pk=locked.pk).update(updated_at=timezone.now())
    return message is not None


def written_so_far(message: Message) -> str:
    """Return what there is of an answer that is being written, or was half a minute ago."""
    texts = texts_so_far(str(message.run_id))
    return texts[max(texts)] if texts else ""


def follow_answers() -> int:
    """Take in every answer whose run has ended, so that waiting messages go on without anybody looking; how many."""
    ended = Message.objects.filter(status=MessageStatus.WRITING, run__status__in=FINAL_RUN)
    keys: list[UUID] = list(ended.order_by("pk").values_list("conversation_id", flat=True)[:BATCH])
    return sum(settle_answer(one) for one in Conversation.objects.filter(pk__in=keys))


def _take_in(message: Message, run: Run | None) -> None:
    if run is None:
        message.status, message.error = MessageStatus.FAILED, _("The run was deleted before it had ended.")
    else:
        message.status = ENDINGS[RunStatus(run.status)]
        message.steps = steps_in(run.output) or steps_in(_node_error(run))
        if message.status == MessageStatus.DONE:
            message.text = answer_in(run.output)
        else:
            message.text = max(message.text, written_so_far(message), key=len)
            message.error = _words_of(run.error) if message.status == MessageStatus.FAILED else ""
    message.save(update_fields=["status", "text", "steps", "error"])


def _node_error(run: Run) -> Any:
    return run.node_runs.filter(error__isnull=False).values_list("error", flat=True).first()


def _words_of(error: Any) -> str:
    """Return an error of a run with what to do about it, in one paragraph."""
    if not isinstance(error, Mapping):
        return str(error or "")
    return " ".join(str(error[key]) for key in ("message", "hint") if error.get(key))


def _begin_next(conversation: Conversation) -> None:
    """Answer the oldest message that waits; one that cannot be answered says why, and the next has its turn."""
    for question in conversation.messages.filter(status=MessageStatus.WAITING):
        try:
            with transaction.atomic():
                begin_answer(conversation, question)
        except OrchestraError as error:
            question.status, question.error = MessageStatus.FAILED, error.message
            question.save(update_fields=["status", "error"])
        else:
            return


def _partner(conversation: Conversation) -> tuple[Workflow, dict[str, Any]]:
    """Return the workflow that answers, and what of its input is not the message. Raises Conflict."""
    if conversation.partner == Partner.WORKFLOW:
        if conversation.workflow is None:
            raise Conflict(_("The workflow of this conversation is gone; begin another one."))
        return conversation.workflow, {}
    workflow = ensure_own_workflow(team=conversation.team, slug=SLUG, definition=DEFINITION, tags=[TAG])
    if conversation.partner == Partner.MODEL:
        return workflow, {}
    if conversation.agent is None:
        raise Conflict(_("The agent of this conversation is gone; begin another one."))
    return workflow, {"agent": conversation.agent.slug}


def _owner(conversation: Conversation) -> User:
    owner: User = conversation.owner
    if not owner.is_active:
        raise Conflict(_("The person of this conversation is switched off."))
    return owner
