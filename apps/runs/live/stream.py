"""Event streams (server-sent events, WHATWG HTML §9.2) as a plain ASGI application over the hub.

A stream replays from the log what a client has missed, then follows. A stream of one run ends with the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from rest_framework.exceptions import MethodNotAllowed

from apps.runs.live.answers import answer_empty, headers_of, refuse, request_of
from apps.runs.live.asking import Grant, Wish, cursor, grants, wishes_of
from apps.runs.live.database import in_database
from apps.runs.live.door import UNAVAILABLE, door
from apps.runs.live.frames import Frame, frame_of
from apps.runs.live.gate import LAST_WORDS_SECONDS, Gate, Send, Stalled
from apps.runs.live.hub import SHUTDOWN, Hub, hub
from apps.runs.live.readers import Reader
from apps.runs.live.standing import Credential, recognise
from apps.runs.live.wire import run_topic
from orchestra.api import BadRequest

log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

RETRY_SECONDS = (1.0, 5.0)
"""Clients come back after a random time in this range, so that a restart is not followed by a storm."""
CHUNK = 64 * 1024
"""Bytes after which a client has to show that it takes them."""


class Stream:
    """One kind of stream: of a single run (ids are `seq`), or of many topics (ids are a vector of cursors)."""

    def __init__(self, run_id: str = "") -> None:
        self._run_id = run_id

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        loop_hub = hub()
        reader = loop_hub.open()
        try:
            telling = await self._open(request_of(scope), loop_hub, reader, send)
            if telling is not None:
                await telling.run(receive)
        finally:
            door().leave(reader)
            await loop_hub.leave(reader)

    async def _open(self, request: ASGIRequest, loop_hub: Hub, reader: Reader, send: Send) -> _Telling | None:
        """Let a client in, or answer why not. What only this needs, such as the request, is not kept for the hours
        that a stream may last."""
        try:
            if request.method != "GET":
                raise MethodNotAllowed(str(request.method))
            credential, granted = await in_database(_admit, request, self._wishes(request))
            door().enter(reader, credential, {grant.team_id for grant in granted})
            await follow(loop_hub, reader, granted)
        except Exception as error:
            await refuse(request, send, error)
            return None
        if self._has_nothing_more(request, reader):
            await answer_empty(request, send, HTTPStatus.NO_CONTENT)
            return None
        headers = headers_of(request, "text/event-stream", X_Accel_Buffering="no")
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        return _Telling(loop_hub, reader, send, is_single=bool(self._run_id))

    def _wishes(self, request: ASGIRequest) -> list[Wish]:
        last_id = request.headers.get("Last-Event-ID", "").strip()
        if not self._run_id:
            return wishes_of(request.GET.get("topics", ""), last_id)
        after = last_id or request.GET.get("after", "")
        return [Wish(run_topic(self._run_id), cursor(after) if after else 0)]

    def _has_nothing_more(self, request: ASGIRequest, reader: Reader) -> bool:
        """A browser comes back by itself after the end; 204 tells it to stay away (HTML §9.2.3)."""
        if not self._run_id or "Last-Event-ID" not in request.headers:
            return False
        return all(one.has_nothing_more for one in reader.cursors.values())


def _admit(request: HttpRequest, wishes: Sequence[Wish]) -> tuple[Credential, list[Grant]]:
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise BadRequest("Streams are served over HTTPS only.")
    request.get_host()  # raises DisallowedHost
    return recognise(request), grants(request, wishes)


async def follow(loop_hub: Hub, reader: Reader, granted: Sequence[Grant]) -> None:
    """Have a reader follow what was granted. Raises Unavailable."""
    for grant in granted:
        if grant.is_run:
            await loop_hub.follow_run(reader, grant.topic, grant.wish.after or 0)
        else:
            await loop_hub.follow_team(reader, grant.topic, grant.wish.after)


class _Telling:
    """The open stream of one client."""

    __slots__ = ("_gate", "_hub", "_is_delayed", "_is_single", "_reader")

    def __init__(self, loop_hub: Hub, reader: Reader, send: Send, *, is_single: bool) -> None:
        self._hub = loop_hub
        self._reader = reader
        self._gate = Gate(send)
        self._is_single = is_single
        self._is_delayed = False

    async def run(self, receive: Receive) -> None:
        """Tell everything until the run has ended, the client has gone, or the stream is closed."""
        leaving = asyncio.ensure_future(_until_gone(receive, self._reader))
        try:
            await self._send(b"retry: %d\n: hello\n\n" % _retry())
            await self._tell()
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await self._finish(_bye(SHUTDOWN))
                await asyncio.sleep(LAST_WORDS_SECONDS)
            raise
        except Stalled:
            pass
        except Exception:
            log.exception("stream_failed")
            with contextlib.suppress(Exception):
                await self._finish(_bye(UNAVAILABLE))
        finally:
            self._gate.close()
            leaving.cancel()

    async def _tell(self) -> None:
        reader, is_over = self._reader, False
        while not (reader.closed_because or is_over):
            frames = await reader.read()
            if frames or self._is_delayed != self._hub.is_delayed:
                await self._send(*self._blocks(frames))
            is_over = bool(reader.cursors) and all(one.is_done for one in reader.cursors.values())
            if not (frames or is_over):
                await self._wait()
        if reader.closed_because != GONE:
            await self._finish(_END.block if is_over else _bye(reader.closed_because))

    async def _wait(self) -> None:
        if not await self._reader.wait(settings.ORCHESTRA_STREAM_BEAT_SECONDS):
            await self._send(b": \n\n")

    def _blocks(self, frames: Sequence[Frame]) -> list[bytes]:
        told = [frame for frame in frames if frame.type != "end"]
        if self._is_delayed != self._hub.is_delayed:
            self._is_delayed = self._hub.is_delayed
            told.append(frame_of({"type": "link", "delayed": self._is_delayed}))
        if self._is_single:
            return [frame.block_with_id for frame in told]
        marks = ".".join(str(one.mark) for one in self._reader.cursors.values())
        return [*(frame.block for frame in told), b"id: %s\n\n" % marks.encode()]

    async def _send(self, *blocks: bytes) -> None:
        """Send blocks in few messages, none much larger than a chunk."""
        some = bytearray()
        for block in blocks:
            for start in range(0, len(block), CHUNK):
                some += block[start : start + CHUNK]
                if len(some) >= CHUNK:
                    await self._send_chunk(bytes(some))
                    some.clear()
        if some:
            await self._send_chunk(bytes(some))

    async def _send_chunk(self, chunk: bytes) -> None:
        await self._gate.send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _finish(self, body: bytes) -> None:
        self._gate.close()
        await self._gate.send({"type": "http.response.body", "body": body, "more_body": False})


GONE = "gone"
_END = frame_of({"type": "end"})


async def _until_gone(receive: Receive, reader: Reader) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.close(GONE)


def _retry() -> int:
    """Return after how many milliseconds to come back."""
    low, high = RETRY_SECONDS
    return int(1000 * random.uniform(low, high))  # noqa: S311 (spreads clients, hides nothing)


def _bye(reason: str) -> bytes:
    retry = _retry()
    return b"retry: %d\n%s" % (retry, frame_of({"type": "bye", "reason": reason, "retry": retry}).block)
