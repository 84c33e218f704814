"""The topic `approvals`: what a team's runs ask and what was decided, to the members of that team only."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.accounts.models import Team, User
from apps.runs.events import EventLog, Label
from apps.runs.live import broadcast
from apps.runs.models import Run
from apps.runs.rows import RunRow
from orchestra.engine.status import EventType
from tests.live.browsing import Client, cookie_of, in_thread

pytestmark = pytest.mark.usefixtures("driver_name")


def tell(run_id: str, type_: EventType, *, aloud: bool = True) -> None:
    """Log one event of node `ask` as the product does; not `aloud`, its message is lost on the way."""
    run = Run.objects.select_related("workflow").get(pk=run_id)
    log = EventLog(datetime.now(UTC))
    row = cast("RunRow", SimpleNamespace(id=run_id, seq=run.seq))
    log.add(row, type_, node="ask", label=Label(str(run.team_id), run.workflow.slug, run.number), title="Go?")
    log.flush()
    Run.objects.filter(pk=run_id).update(seq=row.seq)
    if aloud:
        broadcast(log.frames)


async def test_members_hear_what_their_team_is_asked(
    make_run: Any, viewer: User, team: Team, other_team: Team, stranger: User
) -> None:
    ours, theirs = await in_thread(make_run)(), await in_thread(make_run)(other_team)
    headers = await in_thread(cookie_of)(viewer)

    async with Client("/api/v1/events/stream?topics=approvals", headers) as client:
        await in_thread(tell)(theirs.id, EventType.APPROVAL_REQUESTED)
        await in_thread(ours.tell)("run.started", status="running")
        await in_thread(tell)(ours.id, EventType.APPROVAL_REQUESTED)
        asked = await client.block()
    await in_thread(tell)(ours.id, EventType.APPROVAL_DECIDED, aloud=False)
    async with Client(
        "/api/v1/events/stream?topics=approvals", {**headers, "last-event-id": client.last_id}
    ) as again:
        decided = await again.block("approval.decided")

    assert (asked["event"], asked["data"]["run"], asked["data"]["node"]) == (
        "approval.requested",
        ours.id,
        "ask",
    )
    assert asked["data"]["data"] == {"title": "Go?", "workflow": "sample", "number": 1}
    assert decided["data"]["run"] == ours.id


async def test_another_teams_approvals_are_not_there(
    make_run: Any, viewer: User, other_team: Team, stranger: User
) -> None:
    headers = await in_thread(cookie_of)(viewer)

    async with Client(f"/api/v1/events/stream?topics=approvals:{other_team.pk}", headers) as client:
        assert client.status == 404
