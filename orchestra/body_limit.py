"""Refuses bodies that are too large while they arrive.

Daphne keeps all of a body, on the disk where it is large, before the product sees the first byte of it.
"""

from __future__ import annotations

import json

from daphne import http_protocol
from django.conf import settings
from twisted.internet import reactor

from orchestra.api_problems import TooLarge

LINGER_SECONDS = 2.0
"""For how long a refused sender may go on, to no effect, so that it reads the answer instead of a reset."""


class LimitedRequest(http_protocol.WebRequest):  # type: ignore[misc]  # Daphne is untyped
    """A request whose body is refused once more of it has arrived than anything here accepts."""

    arrived = 0
    is_refused = False

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  (Twisted's name)
        """Keep a piece of the body, or refuse the request. Declared sizes are refused with the first piece."""
        declared = self.channel.length if isinstance(self.channel.length, int) else 0
        self.arrived += len(data)
        if self.is_refused:
            return
        if max(declared, self.arrived) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            self.refuse()
        else:
            super().handleContentChunk(data)

    def process(self) -> object:
        """Hand the request on with its true size, unless it was refused and its answer is out."""
        if self.is_refused:
            return None
        if self.requestHeaders.hasHeader(b"transfer-encoding"):
            self.requestHeaders.removeHeader(b"transfer-encoding")
            self.requestHeaders.setRawHeaders(b"content-length", [b"%d" % self.arrived])
        return super().process()

    def refuse(self) -> None:
        """Answer 413 at once and read on only for a moment."""
        self.is_refused = True
        self.content.close()
        body = json.dumps(_problem()).encode()
        head = (
            "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.loseWriteConnection()
        abort = self.transport.abortConnection
        reactor.callLater(LINGER_SECONDS, abort)  # type: ignore[arg-type]  # zope's interfaces name no self


def _problem() -> dict[str, object]:
    megabytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024 // 1024
    return {
        "type": f"urn:orchestra:problem:{TooLarge.code}",
        "title": TooLarge.default_message(),
        "status": TooLarge.status,
        "code": TooLarge.code,
        "detail": f"A request may have at most {megabytes} MB.",
    }


def limit_bodies() -> None:
    """Let Daphne, in whose process this runs, use limited requests from its next connection on."""
    http_protocol.WebRequest = LimitedRequest
