"""A language model for benchmarks, in a process of its own: every answer is 40 tokens at an even pace.

`python -m tests.load.model PORT`. The model's name says how many seconds an answer takes: `stream-2`. It costs as
little as can be, so that it is not what is measured. `GET /peak` tells the most answers that were under way at once.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

from tests.load.peers.work import TOKENS

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
MODEL = re.compile(rb'"model": ?"stream-(\d+)"')
FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 3, "completion_tokens": TOKENS, "total_tokens": TOKENS + 3},
}


def _event(data: str) -> bytes:
    text = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


PIECE = _event(json.dumps({"choices": [{"index": 0, "delta": {"content": "token "}, "finish_reason": None}]}))
END = _event(json.dumps(FINISH)) + _event(json.dumps(USAGE)) + _event("[DONE]") + b"0\r\n\r\n"


class Model(asyncio.Protocol):
    """One connection; answers follow one another on it."""

    active = 0
    peak = 0

    def __init__(self) -> None:
        self.received = b""
        self.is_answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # a stream of bytes

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, mark, body = self.received.partition(b"\r\n\r\n")
        found = LENGTH.search(head)
        if not mark or len(body) < int(found.group(1) if found else 0):
            return
        self.received = b""
        if head.startswith(b"GET"):
            told = json.dumps({"peak": Model.peak}).encode()
            Model.peak = Model.active
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
            return
        asked = MODEL.search(body)
        self.is_closed_after = b"connection: close" in head.lower()
        self._begin(float(asked.group(1)) if asked else 2.0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _begin(self, seconds: float) -> None:
        self.is_answering = True
        Model.active += 1
        Model.peak = max(Model.peak, Model.active)
        self.transport.write(CHUNKED)
        loop = asyncio.get_running_loop()
        self._go_on(loop, loop.time(), seconds / TOKENS, 1)

    def _go_on(self, loop: asyncio.AbstractEventLoop, began: float, pause: float, number: int) -> None:
        if number <= TOKENS and not self.transport.is_closing():
            loop.call_at(began + number * pause, self._say, loop, began, pause, number)

    def _say(self, loop: asyncio.AbstractEventLoop, began: float, pause: float, number: int) -> None:
        self.transport.write(PIECE if number < TOKENS else PIECE + END)
        if number == TOKENS:
            self._end()
            if self.is_closed_after:
                self.transport.close()
        self._go_on(loop, began, pause, number + 1)

    def _end(self) -> None:
        if self.is_answering:
            self.is_answering = False
            Model.active -= 1


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Model, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
