"""The WebSocket `/ws/`: subscribe and unsubscribe at any time, the same envelopes as the event streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404, HttpRequest
from rest_framework.exceptions import APIException

from apps.runs.live.answers import request_of
from apps.runs.live.asking import TOPICS_LIMIT, Wish, partition, wishes_from
from apps.runs.live.database import in_database
from apps.runs.live.door import REVOKED, SIGNED_OUT, UNAVAILABLE, Guest, door
from apps.runs.live.gate import LAST_WORDS_SECONDS, Gate, Stalled, close_socket
from apps.runs.live.hub import SHUTDOWN, Hub, hub
from apps.runs.live.standing import Credential, recognise
from apps.runs.live.stream import follow
from orchestra.api import BadRequest
from orchestra.errors import OrchestraError

log = structlog.get_logger(__name__)

LONGEST = 64 * 1024
"""Characters of a message; 200 topics with their cursors need a quarter of that."""
BURST = 100
PER_SECOND = 20
"""Messages that a client may send: so many at once, and so many a second from then on."""
UNREADABLE, POLICY, TOO_BIG, FAILED, RESTART, LATER = 1003, 1008, 1009, 1011, 1012, 1013
"""Close codes of RFC 6455 §7.4.1 and the IANA registry."""
CODES = {SIGNED_OUT: 4401, REVOKED: 4403, UNAVAILABLE: LATER, SHUTDOWN: RESTART}


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One browser or program: `subscribe`, `unsubscribe` and `ping` in; envelopes, `pong` and `error` out."""

    channel_layer_alias = "none"
    """There is no such layer: the hub delivers, and a layer would cost a connection to Redis per socket."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._hub: Hub = hub()
        self._reader = self._hub.open()
        self._guest: Guest | None = None
        self._gate: Gate | None = None
        self._telling: asyncio.Future[None] | None = None
        self._allowance = Allowance()
        self._is_closed = False
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await self._end(RESTART)
            await asyncio.sleep(LAST_WORDS_SECONDS)
            raise
        finally:
            await self._leave()

    async def connect(self) -> None:
        self._request = request_of({**self.scope, "type": "http"})
        try:
            credential = await in_database(_admit, self._request)
            self._guest = door().enter(self._reader, credential, set())
        except (OrchestraError, APIException, SuspiciousOperation, DatabaseError) as error:
            log.info("socket_refused", reason=type(error).__name__)
            await self.close()
            return
        await self.accept()
        self._gate = Gate(self.base_send)
        self._telling = asyncio.ensure_future(self._tell())

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        if self._is_closed:
            return
        if text is None:
            await self._end(UNREADABLE)
        elif len(text) > LONGEST:
            await self._end(TOO_BIG)
        elif not self._allowance.take():
            await self._end(POLICY)
        else:
            await self._obey(text)

    async def _obey(self, text: str) -> None:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            await self.receive_json(content)
        else:
            await self._end(UNREADABLE)

    async def receive_json(self, content: dict[str, Any], **kwargs: Any) -> None:
        try:
            await self._do(content)
        except OrchestraError as error:
            await self._say({"type": "error", "code": error.code, "message": error.message})
        except Http404:
            await self._say({"type": "error", "code": "not_found", "message": "There is no such team."})
        except DatabaseError:
            await self._say({"type": "error", "code": "unavailable", "message": "The database is away."})

    async def _do(self, content: dict[str, Any]) -> None:
        kind, topics = content.get("type"), content.get("topics", [])
        after = content.get("after") or {}
        if kind == "ping":
            await self._say({"type": "pong"})
        elif kind not in {"subscribe", "unsubscribe"}:
            raise BadRequest("A message is `subscribe`, `unsubscribe` or `ping`.")
        elif not isinstance(topics, list) or not isinstance(after, dict):
            raise BadRequest("`topics` is a list of texts, `after` a cursor for each of some topics.")
        elif kind == "subscribe":
            await self._subscribe(wishes_from(topics, after))
        else:
            await self._unsubscribe(wishes_from(topics, {}))

    async def _subscribe(self, wishes: list[Wish]) -> None:
        given, missing = await in_database(partition, self._request, wishes)
        new = [grant for grant in given if grant.topic not in self._reader.cursors]
        if len(self._reader.cursors) + len(new) > TOPICS_LIMIT:
            raise BadRequest(f"A socket follows at most {TOPICS_LIMIT} topics.")
        if self._guest is not None:
            self._guest.teams |= {grant.team_id for grant in given}
        await self._say({"type": "subscribed", "topics": [grant.wish.name for grant in given]})
        await follow(self._hub, self._reader, new)
        if missing:
            names = [wish.name for wish in missing]
            message = "These topics do not exist."
            await self._say({"type": "error", "code": "not_found", "message": message, "topics": names})

    async def _unsubscribe(self, wishes: list[Wish]) -> None:
        given, _ = await in_database(partition, self._request, wishes)
        for grant in given:
            self._hub.unfollow(self._reader, grant.topic)
        await self._say({"type": "unsubscribed", "topics": [grant.wish.name for grant in given]})

    async def _tell(self) -> None:
        """Send what the hub has until the socket ends; a run's topic ends with the run."""
        reader, code = self._reader, FAILED
        try:
            while not reader.closed_because:
                frames = await reader.read()
                for frame in frames:
                    await self._send(frame.json.decode())
                for name in [name for name, cursor in reader.cursors.items() if cursor.is_done]:
                    self._hub.unfollow(reader, name)
                if not frames:
                    await reader.wait(settings.ORCHESTRA_STREAM_BEAT_SECONDS)
            code = CODES.get(reader.closed_because, FAILED)
        except Stalled:
            code = POLICY
        except DatabaseError:
            code = LATER
        except Exception:
            log.exception("socket_failed")
        await self._end(code)

    async def _say(self, message: dict[str, Any]) -> None:
        await self._send(json.dumps(message))

    async def _send(self, text: str) -> None:
        if self._gate is not None and not self._is_closed:
            await self._gate.send({"type": "websocket.send", "text": text})

    async def _end(self, code: int) -> None:
        if not self._is_closed:
            self._is_closed = True
            await close_socket(self.base_send, code)

    async def _leave(self) -> None:
        self._is_closed = True
        if self._telling is not None:
            self._telling.cancel()
        if self._gate is not None:
            self._gate.close()
        door().leave(self._reader)
        await self._hub.leave(self._reader)


class Allowance:
    """Counts messages: a bucket that fills with time."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at = asyncio.get_running_loop().time()

    def take(self) -> bool:
        """Take one message from the allowance; False when there is none left."""
        now = asyncio.get_running_loop().time()
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _admit(request: HttpRequest) -> Credential:
    request.get_host()  # raises DisallowedHost
    return recognise(request)
