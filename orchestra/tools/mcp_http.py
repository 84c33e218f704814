"""The way out for the MCP SDK: its HTTP client on top of the guarded one, so that the same addresses are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2

from orchestra.errors import NodeFailure, ToolTimeout
from orchestra.net import Outbound, Reply

LISTEN_SECONDS = 24 * 3600.0
"""A stream of a server's own messages may stay open so long."""
LISTEN_BYTES = 64 * 1024 * 1024
ANSWER_BYTES = 4 * 1024 * 1024
_NOT_HANDED_ON = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_OF_THE_CLIENT = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends each request of the SDK through `Outbound`; `failure` keeps the last thing it refused or missed."""

    def __init__(self, http: Outbound, seconds: float) -> None:
        self._http = http
        self._seconds = seconds
        self.failure: NodeFailure | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer while its body still arrives; redirects are answers too."""
        listens = request.method == "GET"
        stack = AsyncExitStack()
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CLIENT
        }
        try:
            reply = await stack.enter_async_context(
                self._http.open(
                    request.method,
                    str(request.url),
                    headers=headers,
                    body=await request.aread() or None,
                    timeout=LISTEN_SECONDS if listens else self._seconds,
                    redirects=0,
                    max_bytes=LISTEN_BYTES if listens else ANSWER_BYTES,
                )
            )
        except NodeFailure as error:
            self.failure = error
            kind = httpx2.ReadTimeout if isinstance(error, ToolTimeout) else httpx2.ConnectError
            raise kind(error.message, request=request) from error
        kept = [(name, value) for name, value in reply.headers.items() if name not in _NOT_HANDED_ON]
        return httpx2.Response(reply.status, headers=kept, stream=_Body(self, reply, stack), request=request)


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, decompressed and bounded by the guarded client."""

    def __init__(self, transport: GuardedTransport, reply: Reply, stack: AsyncExitStack) -> None:
        self._transport = transport
        self._reply = reply
        self._stack = stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._reply.chunks():
                yield piece
        except NodeFailure as error:
            self._transport.failure = error
            raise httpx2.ReadError(error.message) from error
        except (OSError, TimeoutError) as error:
            raise httpx2.ReadError(str(error)) from error

    async def aclose(self) -> None:
        await self._stack.aclose()
