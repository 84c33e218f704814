"""Back-pressure: a client that does not read makes its own connection wait, and nothing pile up in memory.

`send` of most servers waits for the client. Daphne's does not; Twisted tells a registered producer when the
client's buffer is full, so the gate registers as one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.task import deferLater

Send = Callable[[Any], Awaitable[None]]

STALL_SECONDS = 60.0
"""A client that takes nothing for this long has gone, or may come back."""
LAST_WORDS_SECONDS = 0.2
"""What a server that stops gives its sockets to take the last words."""
LOWEST_APPLICATION_CODE = 3000


class Stalled(Exception):
    """The client has gone, or has not read for a minute."""


class Gate:
    """Sends one connection's messages, each when the client has taken enough of those before."""

    __slots__ = ("_consumer", "_full", "_is_lost", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._full: asyncio.Future[None] | None = None
        self._is_lost = False
        self._consumer = _consumer_behind(send)
        if self._consumer is not None:
            if _is_socket(self._consumer):
                self._consumer.unregisterProducer()  # the HTTP channel that the socket was
            self._consumer.registerProducer(self, True)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises Stalled."""
        try:
            async with asyncio.timeout(STALL_SECONDS):
                while self._full is not None:
                    await asyncio.shield(self._full)
                if not self._is_lost:
                    await self._send(message)
        except TimeoutError as error:
            raise Stalled from error
        if self._is_lost:
            raise Stalled

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None and _is_alive(self._consumer):
            self._consumer.unregisterProducer()
        self._consumer = None

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's IPushProducer)
        if self._full is None:
            self._full = asyncio.get_running_loop().create_future()

    def resumeProducing(self) -> None:  # noqa: N802 (Twisted's IPushProducer)
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)

    def stopProducing(self) -> None:  # noqa: N802 (Twisted's IPushProducer)
        self._is_lost = True
        self.resumeProducing()


def before_shutdown(say_goodbye: Callable[[], None]) -> None:
    """Have something done when Daphne begins to stop, and its effect waited for.

    Daphne cancels its connections itself, but none of them when a WebSocket has been opened a moment before
    (4.2: `kill_all_applications` meets the request that it was). Other servers: cancelling is enough.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return

    def goodbye() -> Any:
        say_goodbye()
        return deferLater(reactor, LAST_WORDS_SECONDS)

    reactor.addSystemEventTrigger("before", "shutdown", goodbye)


async def close_socket(send: Send, code: int) -> None:
    """Close a WebSocket with any code of the IANA registry.

    Daphne's own way refuses the codes below 3000, which are a library's to send; so its protocol is asked directly.
    """
    protocol = _consumer_behind(send)
    if code < LOWEST_APPLICATION_CODE and _is_socket(protocol):
        protocol.sendCloseFrame(code=code)
    else:
        await send({"type": "websocket.close", "code": code})


def _consumer_behind(send: Send) -> Any:
    """Return Daphne's protocol behind `send`, or None on other servers and for a connection that is lost."""
    protocol = next(iter(getattr(send, "args", ())), None)
    return protocol if hasattr(protocol, "registerProducer") and _is_alive(protocol) else None


def _is_socket(protocol: Any) -> bool:
    return hasattr(protocol, "sendMessage")


def _is_alive(protocol: Any) -> bool:
    return _is_socket(protocol) or getattr(protocol, "channel", None) is not None
