"""`/mcp` beside Django: checks where a request comes from and whom it speaks for, and hands it to the MCP SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from apps.runs.live.database import in_database
from apps.runs.mcp.guests import find_guest, is_ours

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
BODY_BYTES = 1024 * 1024


class Serving:
    """The SDK's request handling on one event loop, in a task of its own that lasts as long as the loop."""

    def __init__(self) -> None:
        self._ready: asyncio.Future[StreamableHTTPSessionManager] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._serve())

    async def manager(self) -> StreamableHTTPSessionManager:
        return await asyncio.shield(self._ready)

    async def _serve(self) -> None:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager as Manager

        from apps.runs.mcp.server import (
            make_server,  # here: the SDK is loaded when somebody first asks for it
        )

        manager = Manager(make_server(), stateless=True, max_request_body_size=BODY_BYTES)
        async with manager.run():
            self._ready.set_result(manager)
            await asyncio.Event().wait()


_serving: WeakKeyDictionary[asyncio.AbstractEventLoop, Serving] = WeakKeyDictionary()


class McpBeside:
    """Answers `/mcp`, and leaves everything else to another application."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != PATH:
            await self._application(scope, receive, send)
            return
        if not is_ours(scope):
            await _refuse(send, 403, "forbidden", "This host or origin may not call here.")
            return
        guest = await in_database(find_guest, scope)
        if guest is None:
            await _refuse(send, 401, "not_authenticated", "The credentials are missing, wrong or expired.")
            return
        loop = asyncio.get_running_loop()
        serving = _serving.get(loop) or _serving.setdefault(loop, Serving())
        manager = await serving.manager()
        await manager.handle_request({**scope, "orchestra.guest": guest}, receive, send)


async def _refuse(send: Any, status: int, code: str, detail: str) -> None:
    body = json.dumps({"status": status, "code": code, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="mcp"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
