"""Messages: send, stop, write anew, and edit, which forks the conversation."""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.chat.actions.answers import begin_answer, settle_answer, written_so_far
from apps.chat.actions.conversations import check_owner
from apps.chat.models import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    Author,
    Conversation,
    Message,
    MessageStatus,
    WhenBusy,
)
from apps.runs.actions import cancel_run
from apps.runs.models import Origin
from orchestra.errors import Conflict, InvalidInput, Problem

MOST_WAITING = 10
TITLE_LENGTH = 60


class AnswerBusy(Conflict):
    """An answer is being written; wait for its end, stop it, or let messages wait or interrupt."""

    code = "answer_busy"


def send_message(
    *,
    conversation: Conversation,
    text: str,
    when_busy: str | None = None,
    origin: str = Origin.PORTAL,
    by: User,
) -> Message:
    """Say something; return the message, which is answered at once or waits for the answer before it.

    While an answer is written, `when_busy` decides, or what the conversation says. Raises NotPermitted, InvalidInput
    (no text, too long), AnswerBusy (refused), Conflict (the partner is gone, too many wait), LimitReached.
    """
    check_owner(conversation, by)
    text = _checked(text)
    policy = when_busy or conversation.when_busy
    settle_answer(conversation)
    if policy == WhenBusy.INTERRUPT:
        stop_answer(conversation=conversation, by=by)
    with transaction.atomic():
        locked = _locked(conversation)
        waiting = locked.messages.filter(status__in=[MessageStatus.WAITING, MessageStatus.WRITING])
        is_busy = waiting.exists()
        if is_busy and policy == WhenBusy.REJECT:
            raise AnswerBusy()
        if waiting.count() > MOST_WAITING:
            raise Conflict(_("More than %(count)s messages wait already.") % {"count": MOST_WAITING})
        message = _say(locked, text)
        if not is_busy:
            begin_answer(locked, message, origin=origin)
    return message


def stop_answer(*, conversation: Conversation, by: User) -> bool:
    """Stop the answer that is being written and keep what there is of it; say whether there was one.

    Messages that wait have their turn then. Raises NotPermitted.
    """
    check_owner(conversation, by)
    message = (
        conversation.messages.filter(status=MessageStatus.WRITING).select_related("run__workflow").first()
    )
    if message is None:
        return False
    if message.run is not None:
        text = written_so_far(message)  # kept first: the upkeep may take the answer in before this does
        Message.objects.filter(pk=message.pk, status=MessageStatus.WRITING).update(text=text)
        with suppress(Conflict):  # it has just ended by itself
            cancel_run(run=message.run, by=by)
    return settle_answer(conversation)


def regenerate_answer(*, message: Message, origin: str = Origin.PORTAL, by: User) -> Message:
    """Have the last answer written anew; the one before stays in the database, out of sight.

    Raises NotPermitted, AnswerBusy, Conflict (not the last answer, the partner is gone), LimitReached.
    """
    conversation = message.conversation
    check_owner(conversation, by)
    settle_answer(conversation)
    with transaction.atomic():
        locked = _locked(conversation)
        current = locked.messages.filter(is_current=True).order_by("-position", "-pk")
        if current.filter(status__in=[MessageStatus.WAITING, MessageStatus.WRITING]).exists():
            raise AnswerBusy()
        last = current.filter(author=Author.ASSISTANT).first()
        question = current.filter(author=Author.USER).first()
        if last is None or question is None or last.pk != message.pk or question.position > last.position:
            raise Conflict(
                _("Only the last answer can be written anew; edit a message to go on from before.")
            )
        Message.objects.filter(pk=last.pk).update(is_current=False)
        return begin_answer(locked, question, origin=origin)


@transaction.atomic
def edit_message(*, message: Message, text: str, origin: str = Origin.PORTAL, by: User) -> Conversation:
    """Say something else than one said: in a new conversation, that has all from before the message.

    The conversation that it was said in stays as it is. Raises NotPermitted, InvalidInput, Conflict (an answer
    cannot be edited), LimitReached.
    """
    old = message.conversation
    check_owner(old, by)
    text = _checked(text)
    if message.author != Author.USER:
        raise Conflict(_("Only what a person said can be edited."))
    fork = Conversation.objects.create(
        team=old.team,
        owner=by,
        title=old.title,
        partner=old.partner,
        agent=old.agent,
        workflow=old.workflow,
        when_busy=old.when_busy,
        forked_from=old,
    )
    before = old.messages.filter(position__lt=message.position, is_current=True).exclude(
        status__in=[MessageStatus.WAITING, MessageStatus.WRITING]
    )
    for one in before:
        Message.objects.create(
            conversation=fork,
            position=one.position,
            author=one.author,
            status=one.status,
            text=one.text,
            steps=one.steps,
            error=one.error,
            left_out=one.left_out,
            created_at=one.created_at,
        )
    begin_answer(fork, _say(fork, text), origin=origin)
    return fork


def _say(conversation: Conversation, text: str) -> Message:
    conversation.updated_at = timezone.now()
    if not conversation.title:
        conversation.title = _title_of(text)
    conversation.save(update_fields=["title", "updated_at"])
    last = conversation.messages.aggregate(last=Max("position"))["last"] or 0
    return Message.objects.create(
        conversation=conversation,
        position=last + 1,
        author=Author.USER,
        status=MessageStatus.WAITING,
        text=text,
    )


def _title_of(text: str) -> str:
    """Return the beginning of a text as a title."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1].rstrip()}…"[:LONGEST_TITLE]


def _checked(text: str) -> str:
    text = text.replace("\x00", "\ufffd").replace("\r\n", "\n").strip()
    if not text:
        raise InvalidInput(problems=[Problem("text", "required", _("Write something first."))])
    if len(text) > LONGEST_TEXT:
        said = _("A message has at most %(count)s characters.") % {"count": LONGEST_TEXT}
        raise InvalidInput(problems=[Problem("text", "too_long", said)])
    return text


def _locked(conversation: Conversation) -> Conversation:
    rows = Conversation.objects.select_for_update(of=("self",)).select_related("team", "owner", "agent")
    locked: Conversation = rows.get(pk=conversation.pk)
    return locked
