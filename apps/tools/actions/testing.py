"""Trying a tool: one call with arguments that a person enters."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from asgiref.sync import async_to_sync, sync_to_async

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents.outbound import allowed_out
from apps.tools import registry
from apps.tools.calling import call_row
from apps.tools.ledger import Caller
from apps.tools.models import ToolKind
from apps.tools.sessions import close_sessions
from orchestra.engine.limits import TOOL_BYTES
from orchestra.errors import Conflict, NodeFailure
from orchestra.ids import new_id
from orchestra.net import Limits, Outbound
from orchestra.tools import functions

SECONDS = 30.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ToolTest:
    """How the call went: the result, or `code`, `message` and `hint`, which say what to do."""

    is_ok: bool
    seconds: float
    result: Any = None
    code: str = ""
    message: str = ""
    hint: str = ""


def test_tool(*, team: Team, name: str, arguments: Mapping[str, Any], by: User) -> ToolTest:
    """Call a tool once, now, as the person who tries it; that counts as an approval where one is asked for.

    What the tool does wrong is in the result. Raises NotPermitted, Conflict (a workflow: start a run of it).
    """
    require(by, team.pk, Role.EDITOR)
    started = time.monotonic()
    try:
        result = _call(team, name, arguments, by)
        size = len(json.dumps(result, ensure_ascii=False, default=str).encode(errors="replace"))
        if size > TOOL_BYTES:
            result = f"[{size:,} bytes; {TOOL_BYTES:,} are allowed]"
    except NodeFailure as error:
        seconds = time.monotonic() - started
        return ToolTest(False, seconds, code=error.code, message=error.message, hint=error.hint)
    return ToolTest(True, time.monotonic() - started, result=result)


def _call(team: Team, name: str, arguments: Mapping[str, Any], by: User) -> Any:
    if name in registry.installed():
        return functions.call(name, arguments)
    row = registry.find_row(team.pk, name)
    if row.kind == ToolKind.WORKFLOW:
        raise Conflict("This tool is a workflow: try it by starting a run of it.")

    async def call() -> Any:
        async with Outbound(allow=allowed_out(team.slug), limits=Limits(total_seconds=SECONDS)) as http:
            try:
                return await call_row(
                    row,
                    arguments,
                    http=http,
                    in_database=_in_thread,
                    caller=Caller(user=str(by.pk)),
                    key=f"test/{new_id()}",
                    timeout=SECONDS,
                )
            finally:
                await close_sessions()

    return async_to_sync(call)()


async def _in_thread(work: Callable[[], T]) -> T:
    return await sync_to_async(work)()
