"""Conversations as a whole: begin, change, share, delete."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents.models import Agent
from apps.chat.models import LONGEST_TITLE, Conversation, Partner, WhenBusy
from apps.runs.actions import cancel_run
from apps.runs.models import Run
from apps.workflows.models import Workflow
from orchestra.engine.status import FINAL_RUN
from orchestra.errors import InvalidInput, NotPermitted, Problem


@transaction.atomic
def start_conversation(
    *,
    team: Team,
    agent: Agent | None = None,
    workflow: Workflow | None = None,
    title: str = "",
    when_busy: str = WhenBusy.QUEUE,
    by: User,
) -> Conversation:
    """Begin a conversation with an agent, a workflow, or the team's default model; the team is theirs already.

    Raises NotPermitted (below operator: an answer is a run), InvalidInput (both an agent and a workflow).
    """
    require(by, team.pk, Role.OPERATOR)
    if agent is not None and workflow is not None:
        raise InvalidInput(
            problems=[Problem("workflow", "bad_value", _("Talk to an agent or a workflow, not both."))]
        )
    partner = Partner.AGENT if agent else Partner.WORKFLOW if workflow else Partner.MODEL
    return Conversation.objects.create(
        team=team,
        owner=by,
        agent=agent,
        workflow=workflow,
        partner=partner,
        title=title.strip()[:LONGEST_TITLE],
        when_busy=when_busy,
    )


@transaction.atomic
def change_conversation(
    *, conversation: Conversation, title: str | None = None, when_busy: str | None = None, by: User
) -> Conversation:
    """Rename a conversation, or say what a message during an answer comes to. Raises NotPermitted."""
    check_owner(conversation, by)
    if title is not None:
        conversation.title = title.strip()[:LONGEST_TITLE]
    if when_busy is not None:
        conversation.when_busy = when_busy
    conversation.save(update_fields=["title", "when_busy"])
    return conversation


@transaction.atomic
def share_conversation(*, conversation: Conversation, by: User) -> Conversation:
    """Let anybody with the link read the conversation. A second time the link stays. Raises NotPermitted."""
    check_owner(conversation, by)
    locked: Conversation = Conversation.objects.select_for_update().get(pk=conversation.pk)
    if locked.share_id is None:
        locked.share_id = secrets.token_urlsafe(18)
        locked.save(update_fields=["share_id"])
    conversation.share_id = locked.share_id
    return conversation


@transaction.atomic
def unshare_conversation(*, conversation: Conversation, by: User) -> None:
    """End the link: whoever opens it finds nothing. A link made later is another one."""
    check_owner(conversation, by)
    conversation.share_id = None
    conversation.save(update_fields=["share_id"])


def delete_conversation(*, conversation: Conversation, by: User) -> None:
    """Delete a conversation and stop what is being written; its runs stay among the team's runs."""
    check_owner(conversation, by)
    open_runs = Run.objects.filter(message__conversation=conversation).exclude(status__in=FINAL_RUN)
    for run in open_runs.select_related("workflow"):
        cancel_run(run=run, by=by)
    conversation.delete()


def check_owner(conversation: Conversation, by: User) -> None:
    """Let only the person go on whose conversation it is, while they are in the team. Raises NotPermitted."""
    if conversation.owner_id != by.pk or by.role_in(conversation.team_id) is None:
        raise NotPermitted()
