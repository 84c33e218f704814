"""Where the live streams are mounted: beside Django for HTTP, and the WebSocket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import AllowedHostsOriginValidator

from apps.runs.agent_socket import AgentConsumer
from apps.runs.consumers import LiveConsumer
from apps.runs.live.gate import Send
from apps.runs.live.stream import Receive, Stream

SOCKET = "/ws/"
AGENTS = "/ws/agents/"
MANY = frozenset(
    {
        "/api/v1/events/stream",
        "/api/events/stream",
        "/api/v1/execution/tasks/stream",
        "/api/execution/tasks/stream",
    }
)
"""The stream of many topics, with the names that it has elsewhere."""
ONE = re.compile(r"/api/v1/runs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/events")
EVENT_STREAM = "text/event-stream"


class StreamsBeside:
    """Answers the paths of the streams, and leaves everything else to another application.

    `runs/{id}/events` is a stream only for who accepts one; the same path is a JSON list in the API.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        stream = _stream_for(scope)
        await (stream or self._application)(scope, receive, send)


def _stream_for(scope: Mapping[str, Any]) -> Stream | None:
    if scope["path"] in MANY:
        return Stream()
    one = ONE.fullmatch(scope["path"])
    if one is not None and scope["method"] == "GET" and _accepts_stream(scope):
        return Stream(one[1])
    return None


def _accepts_stream(scope: Mapping[str, Any]) -> bool:
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    return EVENT_STREAM in {part.partition(";")[0].strip().lower() for part in accepted.split(",")}


class Sockets:
    """The WebSocket for pages of this site only (browsers send `Origin`; RFC 6455 §10.2), and that of remote agents."""

    def __init__(self) -> None:
        self._live = LiveConsumer.as_asgi()
        self._agents = AgentConsumer.as_asgi()
        self._origins = AllowedHostsOriginValidator(self._live)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["path"] == SOCKET and self._is_ours(scope):
            await self._live(scope, receive, send)
        elif scope["path"] == AGENTS:  # a key in a header, which no page of another site can send
            await self._agents(scope, receive, send)
        else:  # without Channels' own denier, which needs the channel layer to say no
            await receive()
            await send({"type": "websocket.close"})

    def _is_ours(self, scope: Mapping[str, Any]) -> bool:
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin is None:
            return False
        try:
            return bool(self._origins.valid_origin(urlsplit(origin.decode("latin-1"))))
        except ValueError:
            return False
