"""The record of calls: begun under the server's quota, and ended; nobody edits it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.tools.models import CallState, ToolRow, ToolServer, ToolUse
from orchestra.errors import NodeFailure, RateLimited
from orchestra.tools.tool import digest_of

WINDOWS = (("calls_per_minute", timedelta(minutes=1)), ("calls_per_day", timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a tool is called: a node run, or a person who tries it."""

    run: str = ""
    path: str = ""
    attempt: int = 0
    user: str = ""


class QuotaReached(RateLimited):
    """The tool server may not be called more often for now."""

    code = "tool_quota"
    hint = "Wait, or raise the quota on the server's page."


@transaction.atomic
def begin_use(row: ToolRow, caller: Caller, arguments: Any) -> int:
    """Record that a tool is about to be called and return the record's id. Raises QuotaReached."""
    server = row.server
    if server is not None and (server.calls_per_minute or server.calls_per_day):
        _check_quota(ToolServer.objects.select_for_update().get(pk=server.pk))
    return _record(row, caller, arguments, CallState.STARTED).pk


def note_refusal(row: ToolRow, caller: Caller, arguments: Any, code: str) -> None:
    """Record a call that was not made, and why."""
    _record(row, caller, arguments, CallState.REFUSED, code)


def end_use(use: int, seconds: float, error: NodeFailure | None = None) -> None:
    """Record how a call ended."""
    state = CallState.SUCCEEDED if error is None else CallState.FAILED
    code = error.code if error else ""
    ToolUse.objects.filter(pk=use).update(state=state, seconds=seconds, code=code)


def _record(row: ToolRow, caller: Caller, arguments: Any, state: str, code: str = "") -> ToolUse:
    return ToolUse.objects.create(
        team_id=row.team_id,
        server_id=row.server_id,
        tool=row.name,
        state=state,
        run=UUID(caller.run) if caller.run else None,
        path=caller.path,
        attempt=caller.attempt,
        user=UUID(caller.user) if caller.user else None,
        digest=digest_of(arguments),
        code=code,
    )


def _check_quota(server: ToolServer) -> None:
    """Count what was called in the last minute and day. Raises QuotaReached."""
    now = timezone.now()
    for field, span in WINDOWS:
        most = getattr(server, field)
        if most is None:
            continue
        recent = server.uses.filter(at__gt=now - span).exclude(state=CallState.REFUSED)
        if recent.count() < most:
            continue
        first = recent.order_by("-at").values_list("at", flat=True)[most - 1]
        pause = max(1.0, (first + span - now).total_seconds())
        raise QuotaReached(f"{server.name} may be called {most} times in this span.", retry_after=pause)
