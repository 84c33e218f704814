"""The web server's entry point: Django, the live streams beside it, WebSockets, and a probe that touches nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra.settings")
django = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402  (needs Django's apps)

from apps.runs.mcp.endpoint import McpBeside  # noqa: E402  (needs Django's apps)
from apps.runs.routing import Sockets, StreamsBeside  # noqa: E402  (needs Django's apps)
from orchestra.handler import ThreadHandler  # noqa: E402  (needs Django's settings)

if "daphne.http_protocol" in sys.modules:
    from orchestra.body_limit import limit_bodies

    limit_bodies()

ALIVE = b'{"status": "ok"}'
ALIVE_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(ALIVE)).encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


class WithFlower:
    """Gives the pages of Flower, which stream from the loop, to Django's own handler, and the others to threads."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        chosen: Any = django if scope["path"].startswith("/flower/") else self._application
        await chosen(scope, receive, send)


class WithProbe:
    """Answers `/health` at once, whatever state the rest is in: the process is alive."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] != "/health" or scope["method"] not in {"GET", "HEAD"}:
            await self._application(scope, receive, send)
            return
        body = b"" if scope["method"] == "HEAD" else ALIVE
        await send({"type": "http.response.start", "status": 200, "headers": ALIVE_HEADERS})
        await send({"type": "http.response.body", "body": body})


async def lifespan(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Agree to start and to stop, for servers that ask (ASGI lifespan)."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


application = ProtocolTypeRouter(
    {
        "http": WithProbe(McpBeside(StreamsBeside(WithFlower(ThreadHandler())))),
        "websocket": Sockets(),
        "lifespan": lifespan,
    }
)
