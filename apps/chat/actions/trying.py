"""The test bench of agents: one message to one agent, as a run like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.agents.models import Agent
from apps.chat.memory import DEFINITION
from apps.chat.models import LONGEST_TEXT
from apps.runs.actions import start_run
from apps.runs.models import Origin, Run
from apps.workflows.actions import ensure_own_workflow
from orchestra.errors import InvalidInput, Problem

BENCH = "test-bench"
BENCH_DEFINITION: Mapping[str, Any] = {
    **DEFINITION,
    "name": "Test bench",
    "description": "Asks an agent for one thing, as its page does.",
}
TAG = "bench"


@transaction.atomic
def try_agent(*, agent: Agent, text: str, by: User) -> Run:
    """Start a run that gives an agent a message; its node is `answer`.

    Raises NotPermitted (below operator), InvalidInput (no text, too long), Conflict (the workflow of the bench is
    archived), LimitReached.
    """
    text = text.replace("\x00", "\ufffd").strip()
    if not 0 < len(text) <= LONGEST_TEXT:
        said = _("Write something, of at most %(count)s characters.") % {"count": LONGEST_TEXT}
        raise InvalidInput(problems=[Problem("text", "invalid", said)])
    workflow = ensure_own_workflow(team=agent.team, slug=BENCH, definition=BENCH_DEFINITION, tags=[TAG])
    given = {"text": text, "agent": agent.slug}
    return start_run(workflow=workflow, input=given, tags=[TAG], origin=Origin.PORTAL, by=by)
