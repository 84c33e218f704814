"""Conversations: a person's messages to a model, an agent or a workflow, and the runs that answered them."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Team, User
from apps.agents.models import Agent
from apps.runs.models import Run
from apps.workflows.models import Workflow
from orchestra.ids import new_id

LONGEST_TITLE = 120
LONGEST_TEXT = 32_000
"""Characters of one message."""


class Partner(models.TextChoices):
    """Who answers."""

    MODEL = "model", _("The team's default model")
    AGENT = "agent", _("An agent")
    WORKFLOW = "workflow", _("A workflow")


class WhenBusy(models.TextChoices):
    """What happens to a message that comes while an answer is being written."""

    QUEUE = "queue", _("Wait until the answer is complete")
    INTERRUPT = "interrupt", _("Stop the answer and go on with the message")
    REJECT = "reject", _("Refuse the message")


class Author(models.TextChoices):
    USER = "user", _("Person")
    ASSISTANT = "assistant", _("Answer")


class MessageStatus(models.TextChoices):
    """Where a message stands: a person's waits or is sent, an answer is written and ends in one of three ways."""

    WAITING = "waiting", pgettext_lazy("a message", "Waits for the answer before")
    SENT = "sent", pgettext_lazy("a message", "Sent")
    WRITING = "writing", pgettext_lazy("a message", "Being written")
    DONE = "done", pgettext_lazy("a message", "Complete")
    STOPPED = "stopped", pgettext_lazy("a message", "Stopped")
    FAILED = "failed", pgettext_lazy("a message", "Failed")


class ConversationQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User) -> Self:
        """Conversations belong to one person, and are out of reach for who has left the team."""
        return self.filter(owner=user, team_id__in=list(user.roles))


class Conversation(models.Model):
    """What one person and one partner said to each other."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="conversations", verbose_name=_("team"))
    owner = models.ForeignKey(User, models.CASCADE, related_name="conversations", verbose_name=_("person"))
    title = models.CharField(_("title"), max_length=LONGEST_TITLE, blank=True)
    partner = models.CharField(_("partner"), max_length=10, choices=Partner, default=Partner.MODEL)
    agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("agent")
    )
    workflow = models.ForeignKey(
        Workflow, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("workflow")
    )
    when_busy = models.CharField(
        _("message during an answer"), max_length=10, choices=WhenBusy, default=WhenBusy.QUEUE
    )
    share_id = models.CharField(max_length=32, null=True, unique=True, editable=False)  # noqa: DJ001  (unique where given)
    """The unguessable part of the link under which anybody may read it; None: nobody may."""
    forked_from = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="forks",
        verbose_name=_("forked from"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("last message"), default=timezone.now, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated_at"]
        indexes = [models.Index(fields=["owner", "-updated_at"], name="conversation_recent")]

    def __str__(self) -> str:
        return str(self.pk)  # the title is what was said, and operators see this

    @property
    def name(self) -> str:
        return self.title or str(_("New conversation"))

    @property
    def shared_path(self) -> str:
        """Where anybody may read it; empty when nobody may."""
        return f"/chat/shared/{self.share_id}/" if self.share_id else ""

    @property
    def partner_name(self) -> str:
        """Who answers, by name; empty when they are gone."""
        if self.partner == Partner.MODEL:
            return str(Partner.MODEL.label)
        row = self.agent if self.partner == Partner.AGENT else self.workflow
        return row.name if row is not None else ""


class Message(models.Model):
    """One message of a conversation, or one answer."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="messages", verbose_name=_("conversation")
    )
    position = models.PositiveIntegerField(_("position"), default=1)
    """Rises through the conversation; answers to messages that had to wait stand behind their own."""
    author = models.CharField(_("author"), max_length=10, choices=Author)
    status = models.CharField(_("status"), max_length=10, choices=MessageStatus)
    text = models.TextField(_("text"), blank=True)
    """Of an answer: what it came to, kept here because runs may be deleted when they are old."""
    steps = models.JSONField(default=list)
    """Calls of tools that led to an answer: `{tool, arguments, result, error, seconds}`."""
    error = models.TextField(_("error"), blank=True)
    run = models.OneToOneField(Run, models.SET_NULL, null=True, related_name="message", verbose_name=_("run"))
    left_out = models.PositiveIntegerField(_("messages left out"), default=0)
    """How many earlier messages the partner was not told, because they did not fit."""
    is_current = models.BooleanField(default=True)
    """False for an answer that was written anew."""
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=models.Q(status="writing"), name="message_one_is_written"
            )
        ]
        indexes = [
            models.Index(fields=["conversation", "position"], name="message_in_order"),
            models.Index(fields=["id"], name="message_unsettled", condition=models.Q(status="writing")),
        ]

    def __str__(self) -> str:
        return f"{self.get_author_display()} · {self.created_at:%Y-%m-%d %H:%M}"
