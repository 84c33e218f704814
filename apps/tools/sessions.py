"""Open connections to MCP servers, kept by each process while they are used and given up when their server changes.

A server's revision and secret are part of a connection's key, and every call reads the server's row first: a change
that any process makes is kept to by all of them at their next call.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakKeyDictionary

from apps.tools.models import ToolServer
from apps.tools.places import place_of
from orchestra.errors import NodeFailure, ToolUnavailable
from orchestra.net import Outbound

if TYPE_CHECKING:
    from orchestra.tools.mcp_client import McpSession, Place

IDLE_SECONDS = 300.0
LISTED_SECONDS = 60.0
"""A list of tools that is older is read again before the next call."""
MOST_OPEN = 100

Key = tuple[UUID, int, str]


class Kept:
    """One open connection, held by a task of its own: the SDK wants it closed where it was opened."""

    def __init__(self, place: Place, http: Outbound) -> None:
        self.used_at = time.monotonic()
        self.listed_at: float | None = None
        self._over = asyncio.Event()
        self._ready: asyncio.Future[McpSession] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._hold(place, http))

    @property
    def is_over(self) -> bool:
        return self._over.is_set() or self.task.done()

    @property
    def needs_listing(self) -> bool:
        return self.listed_at is None or time.monotonic() - self.listed_at > LISTED_SECONDS

    async def session(self) -> McpSession:
        """Return the session once it is open. Raises what connecting raises."""
        self.used_at = time.monotonic()
        return await asyncio.shield(self._ready)

    def close(self) -> None:
        """Let the connection go; whoever uses it still is told that it closed."""
        self._over.set()

    async def _hold(self, place: Place, http: Outbound) -> None:
        from orchestra.tools.mcp_client import (
            connected,  # here: only processes that speak MCP pay for the SDK
        )

        try:
            async with connected(place, http) as session:
                self._ready.set_result(session)
                while not self._over.is_set() and time.monotonic() - self.used_at < IDLE_SECONDS:
                    try:
                        await asyncio.wait_for(self._over.wait(), IDLE_SECONDS)
                    except TimeoutError:
                        continue
        except NodeFailure as error:
            self._fail(error)
        except BaseException:
            self._fail(ToolUnavailable("The connection to the MCP server was lost."))
            raise
        finally:
            self._over.set()

    def _fail(self, error: NodeFailure) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # taken note of: nobody may be waiting any more


_open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Key, Kept]] = WeakKeyDictionary()


def kept_for(server: ToolServer, http: Outbound) -> Kept:
    """Return this loop's connection to a server as its row is now, opened if need be; older ones are closed.

    Raises UnreadableSecret, ToolUnavailable.
    """
    mine = _open.setdefault(asyncio.get_running_loop(), {})
    key = (server.pk, server.revision, server.secret)
    for other, kept in list(mine.items()):
        if kept.is_over or (other[0] == server.pk and other != key):
            kept.close()
            del mine[other]
    if key not in mine:
        if len(mine) >= MOST_OPEN:
            oldest = min(mine, key=lambda one: mine[one].used_at)
            mine.pop(oldest).close()
        mine[key] = Kept(place_of(server), http)
    return mine[key]


async def close_sessions() -> None:
    """Close the running loop's connections and wait for their end, before that loop ends."""
    mine = _open.pop(asyncio.get_running_loop(), {})
    for kept in mine.values():
        kept.close()
    await asyncio.gather(*(kept.task for kept in mine.values()), return_exceptions=True)
