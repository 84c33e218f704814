"""An MCP server of the official SDK beside the tests, over HTTP or as a program; what it offers can be changed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations
from starlette.types import Receive, Scope, Send

ECHO = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 1000}},
    "required": ["text"],
    "additionalProperties": False,
}


@dataclass
class Desk:
    """What the server offers, what it was asked, and what it was told by headers."""

    description: str = "Says it back."
    calls: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    has_more: bool = False
    url: str = ""
    endpoint: str = ""

    async def list_tools(self, _context: Any, _params: Any) -> ListToolsResult:
        tools = [
            Tool(
                name="say",
                description=self.description,
                input_schema=ECHO,
                annotations=ToolAnnotations(read_only_hint=True),
            ),
            Tool(name="fail", description="Always fails.", input_schema={"type": "object"}),
            Tool(name="write", description="Changes something.", input_schema=ECHO),
        ]
        more = [Tool(name="late", description="Came later.", input_schema={"type": "object"})]
        return ListToolsResult(tools=[*tools, *(more if self.has_more else [])])

    async def call_tool(self, _context: Any, params: Any) -> CallToolResult:
        self.calls.append((params.name, params.arguments))
        if params.name == "fail":
            return CallToolResult(content=[TextContent(type="text", text="No such luck.")], is_error=True)
        text = str((params.arguments or {}).get("text"))
        return CallToolResult(content=[TextContent(type="text", text=text)])

    def server(self) -> Server[Any]:
        return Server("desk", on_list_tools=self.list_tools, on_call_tool=self.call_tool)


@contextlib.contextmanager
def desk_over_http() -> Iterator[Desk]:
    """Serve a desk at a free port of this machine, in a thread."""
    desk = Desk()
    app = desk.server().streamable_http_app(host="0.0.0.0", transport_security=None)

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            desk.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await app(scope, receive, send)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(noting, host="127.0.0.1", port=port, log_level="error", ws="none")
    web = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()), daemon=True)
    thread.start()
    pause = threading.Event()
    for _ in range(500):
        if web.started:
            break
        pause.wait(0.02)
    desk.endpoint = f"127.0.0.1:{port}"
    desk.url = f"http://{desk.endpoint}/mcp"
    try:
        yield desk
    finally:
        web.should_exit = True
        thread.join(10)
