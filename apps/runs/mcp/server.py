"""The tools of this installation for MCP clients: list, call with progress, look after long runs, cancel.

A call waits for its run for WAIT_SECONDS; a run that takes longer goes on as a task of its own, and the answer names
it for `get_run` and `cancel_run`. A client that gives up its call cancels the run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from mcp.server.lowlevel import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from apps.accounts.scopes import Scope
from apps.runs.live.database import in_database
from apps.runs.mcp import offered
from apps.runs.mcp.guests import Guest
from apps.runs.mcp.offered import Standing
from orchestra.errors import OrchestraError

GUEST = "orchestra.guest"
WAIT_SECONDS = 50.0
FIRST_LOOK, LONGEST_PAUSE = 0.05, 1.0
_OF_A_RUN = {
    "type": "object",
    "properties": {"run": {"type": "string", "description": "Id of a run."}},
    "required": ["run"],
    "additionalProperties": False,
}
OWN_TOOLS = (
    Tool(
        name="get_run",
        description="How a run stands that a tool here has started, and its output once it has ended.",
        input_schema=_OF_A_RUN,
        annotations=ToolAnnotations(read_only_hint=True),
    ),
    Tool(name="cancel_run", description="Cancel a run that has not ended.", input_schema=_OF_A_RUN),
)


def make_server() -> Server[Any]:
    """Return the MCP server; who calls stands in the scope of each request."""
    about = "Workflows of Orchestra as tools. What takes longer than a minute goes on as a run: ask get_run."
    return Server("orchestra", instructions=about, on_list_tools=list_tools, on_call_tool=call_tool)


async def list_tools(context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
    """Offer what the team has opted in."""
    found = await in_database(offered.tools_for, _guest(context))
    tools = [
        Tool(name=one.name, title=one.title, description=one.description, input_schema=dict(one.schema))
        for one in found
    ]
    return ListToolsResult(tools=[*tools, *OWN_TOOLS])


async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
    """Start a run, or look after one; what is wrong is told in the result, so that a model can do better."""
    guest, arguments = _guest(context), dict(params.arguments or {})
    needed = Scope.READ if params.name == "get_run" else Scope.RUN
    if needed not in guest.scopes:
        return _failed(f"This API key lacks the scope “{needed}”.")
    try:
        if params.name == "get_run":
            return _told(await in_database(offered.standing, guest, str(arguments.get("run", ""))))
        if params.name == "cancel_run":
            return _told(await in_database(offered.cancel, guest, str(arguments.get("run", ""))))
        return await _run(context, guest, params.name, arguments)
    except OrchestraError as error:
        return _failed(_words(error))


async def _run(context: Any, guest: Guest, name: str, arguments: Mapping[str, Any]) -> CallToolResult:
    """Start a run and wait for it, telling how it gets on; a client that goes away cancels it."""
    key = str((context.meta or {}).get("orchestra/idempotency-key", ""))
    found = await in_database(offered.start, guest, name, arguments, key)
    loop = asyncio.get_running_loop()
    until, pause, told = loop.time() + WAIT_SECONDS, FIRST_LOOK, -1
    try:
        while not found.is_final and loop.time() < until:
            if found.done != told:
                told = found.done
                await context.session.report_progress(found.done, found.total, found.status)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)
            found = await in_database(offered.standing, guest, found.run)
    except asyncio.CancelledError:
        await asyncio.shield(in_database(_cancel, guest, found.run))
        raise
    return _told(found, is_call=True)


def _cancel(guest: Guest, run: str) -> None:
    try:
        offered.cancel(guest, run)
    except OrchestraError:
        return  # it has ended meanwhile, or the person may not any more


def _told(found: Standing, *, is_call: bool = False) -> CallToolResult:
    if is_call and found.is_failed:
        message = (found.error or {}).get("message") or "It was cancelled."
        return _failed(f"{found.workflow} #{found.number} {found.status}: {message}")
    value = found.output if is_call and found.is_final else found.as_json()
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    structured = value if isinstance(value, dict) else {"output": value}
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


def _failed(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)


def _words(error: OrchestraError) -> str:
    problems = getattr(error, "problems", ())
    listed = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in problems[:10])
    return listed or error.message


def _guest(context: Any) -> Guest:
    guest: Guest = context.request.scope[GUEST]
    return guest
