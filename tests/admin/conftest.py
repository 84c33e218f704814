"""Fixtures for tests of the admin: an operator at work, and one row of everything."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from apps.accounts import actions, tokens
from apps.accounts.models import IdempotencyKey, Role, Team, User
from apps.agents.actions import create_agent_token, register_agent
from apps.agents.models import Agent, Breaker, BreakerChange, Connection, ConnectionKey
from apps.chat.models import Conversation, Message
from apps.runs.models import (
    Admission,
    Approval,
    Assignment,
    CacheEntry,
    CanvasPart,
    Effect,
    Event,
    JournalEntry,
    Leadership,
    NodeRun,
    QueueProbe,
    Run,
    Signal,
    Vote,
    Worker,
)
from apps.tools.models import ToolRow, ToolServer, ToolUse
from apps.triggers.models import Firing, Trigger
from apps.usage.models import Budget, ModelCall, Reservation, Spending
from apps.workflows.models import Workflow, WorkflowVersion

CANARY = "canary-5ecret"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def root(make_user: Any) -> User:
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def operator(client: Client, root: User) -> Client:
    """A browser of an operator who is in no team."""
    client.force_login(root)
    return client


def make_trigger(run: Run) -> None:
    """Make a webhook that started the run."""
    trigger = Trigger.objects.create(
        team=run.team, workflow=run.workflow, name="Hourly", kind="webhook", secret=CANARY, previous_secret=CANARY,
        owner=run.started_by,
    )  # fmt: skip
    Firing.objects.create(trigger=trigger, key="k", status="started", run=run)


def make_questions(run: Run) -> None:
    """Have the run ask people, be told something and pay for a call."""
    approval = Approval.objects.create(team=run.team, run=run, path="sign_off", title="Publish?")
    Vote.objects.create(approval=approval, by=run.started_by, decision="approved")
    Signal.objects.create(run=run, name="go", payload={"x": 1})
    Assignment.objects.create(
        team=run.team, run=run, path="greet", strategy="balanced", payload={"task": "x"}
    )
    make_conversation(run)
    Authenticator.objects.create(user=run.started_by, type="totp", data={"secret": CANARY})
    make_spending(run)


def make_spending(run: Run) -> None:
    """Have the run pay for a call of a model, and hold money of a budget for another."""
    user = run.started_by
    ModelCall.objects.create(team=run.team, at=timezone.now(), run=run.pk, number=1, model="m", user=user)
    budget = Budget.objects.create(team=run.team, name="Month", amount=10, created_by=user)
    spending = Spending.objects.create(budget=budget, starts_at=timezone.now(), spent=1)
    until = timezone.now() + timedelta(minutes=5)
    Reservation.objects.create(ticket=run.pk, spending=spending, amount=1, run=run.pk, expires_at=until)


def make_conversation(run: Run) -> None:
    """Have somebody say something that is nobody else's business."""
    talk = Conversation.objects.create(team=run.team, owner=run.started_by, title=CANARY)
    Message.objects.create(conversation=talk, author="user", status="sent", text=CANARY, run=run)


def make_connection(team: Team) -> Connection:
    """Make a connection whose breaker has opened."""
    made = Connection.objects.create(
        team=team, slug="main", name="Main", dialect="openai", base_url="https://models.example.org/v1", secret=CANARY,
        secret_hint="wxyz",
    )  # fmt: skip
    Breaker.objects.create(connection=made, state="open", until=timezone.now(), reason="It is away.")
    ConnectionKey.objects.create(connection=made, name="second", secret=CANARY, secret_hint="wxyz")
    BreakerChange.objects.create(connection=made, before="closed", after="open", by="w1")
    return made


def make_tools(team: Team) -> None:
    """Make a server with a tool that was called."""
    server = ToolServer.objects.create(team=team, slug="files", name="Files", kind="mcp", secret=CANARY)
    ToolRow.objects.create(team=team, server=server, kind="mcp", name="files.read")
    ToolUse.objects.create(team=team, server=server, tool="files.read", digest="d")


def make_machinery() -> None:
    """Make what the workers keep for themselves."""
    CanvasPart.objects.create(group="g", size=2)
    Admission.objects.create(account="connection:x")
    QueueProbe.objects.create(queue="llm", delay_seconds=0.1)


def make_remote_agent(team: Team, editor: User) -> list[str]:
    """Make a registration token and an agent that came with it; return their secrets."""
    token, text = create_agent_token(team=team, name="fleet", by=editor)
    made = register_agent(token=token, name="Remote", capabilities=["translate"])
    return [text.split("_", 2)[2], token.key_hash, made.key.split("_", 2)[2], made.agent.presence.key_hash]


@pytest.fixture
def rows(team: Team, editor: User) -> SimpleNamespace:
    """One row of every model that the admin shows."""
    now = timezone.now()
    workflow = Workflow.objects.create(team=team, slug="brief", name="Brief", created_by=editor)
    version = WorkflowVersion.objects.create(workflow=workflow, number=1, definition={}, plan={}, digest="d")
    run = Run.objects.create(
        team=team, workflow=workflow, version=version, number=1, status="running", started_by=editor, started_at=now,
        seq=1, input={"document": "<script>alert(1)</script>"},
    )  # fmt: skip
    node = NodeRun.objects.create(
        run=run, path="views[2].draft", node="draft", kind="llm", queue="llm", status="queued", queued_at=now
    )
    connection = make_connection(team)
    odd = Connection.objects.create(
        team=team, slug="odd", name="Odd", dialect="openai", base_url="javascript:alert(1)"
    )
    make_trigger(run)
    make_tools(team)
    key, key_text = actions.create_api_key(user=editor, team=team, name="ci", scopes=["read"])
    link = actions.make_login_link(user=editor)
    owner = User.objects.create_user("olga")
    owner.memberships.create(team=team, role=Role.OWNER)
    invitation, invitation_path = actions.invite(team=team, role="viewer", by=owner)
    tokens.issue(editor)
    session = UserSession.objects.create(
        user=editor, ip="192.0.2.1", session_key=f"{CANARY}-session", user_agent="Firefox"
    )
    IdempotencyKey.objects.create(user=editor, key="k", fingerprint="f", body={"secret": CANARY})
    EmailAddress.objects.create(user=editor, email=editor.email)
    make_machinery()
    CacheEntry.objects.create(team=team, key="c" * 64, kind="llm", output={"x": 1}, expires_at=now)
    Effect.objects.create(run=run, path="greet", state="unknown", reason="silence")
    JournalEntry.objects.create(run=run, path="greet", key="m1", entry={"text": "x"})
    make_questions(run)
    Leadership.objects.update_or_create(name="upkeep", defaults={"holder": "w1", "seen_at": now})
    about = ContentType.objects.get_for_model(Team)
    LogEntry.objects.create(
        user=editor, content_type=about, object_id=str(team.pk), object_repr="x", action_flag=2
    )
    Worker.objects.create(
        name="w1", queues="llm", pool="loop", slots=4, version="1", seen_at=now - timedelta(hours=1)
    )
    return SimpleNamespace(
        workflow=workflow, version=version, run=run, node=node, connection=connection, odd=odd, key=key,
        invitation=invitation, session=session, event=Event.objects.create(run=run, seq=1, type="run.started", at=now),
        agent=Agent.objects.create(team=team, slug="writer", name="Writer", connection=connection),
        secrets=[CANARY, key_text.split("_", 2)[2], key.key_hash, link.split("/")[2], invitation_path.split("/")[2],
                 *make_remote_agent(team, editor)],
    )  # fmt: skip
