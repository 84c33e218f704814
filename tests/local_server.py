"""Local servers that tests talk to: an aiohttp application or raw bytes, on a loopback address and a free port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Server:
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        return f"{self.host}:{self.port}"


@asynccontextmanager
async def serving(app: web.Application | Handler, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """Serve an application, or one handler for every path and method."""
    if not isinstance(app, web.Application):
        handler, app = app, web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, 0, backlog=4096)
        await site.start()
        yield Server(host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


@contextmanager
def serving_beside(app: web.Application | Handler) -> Iterator[Server]:
    """Serve beside synchronous code: the server has its own loop and thread."""
    ready: list[Server] = []
    started, stop = threading.Event(), threading.Event()

    async def main() -> None:
        async with serving(app) as server:
            ready.append(server)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert started.wait(10)
        yield ready[0]
    finally:
        stop.set()
        thread.join(10)


@asynccontextmanager
async def serving_raw(handler: RawHandler) -> AsyncIterator[Server]:
    """Serve bytes: the handler gets the connection once the request's head has been read."""
    open_writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Server("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in open_writers:
            writer.close()
