"""The work that every side of a benchmark does, and how a peer's script tells its times; standard library only."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Mapping

SLOW_SECONDS = 5.0
"""A first go that takes longer is the figure; otherwise it was for warming up."""
TOKENS = 40


def fibo(n: int) -> int:
    """Return the n-th Fibonacci number, the slow way."""
    return n if n < 2 else fibo(n - 1) + fibo(n - 2)


def stream() -> int:
    """Read one streamed answer of the benchmark's model; return the number of tokens."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["MODEL_PORT"]), timeout=60)
    connection.request("POST", "/v1/chat/completions", _asked(), {"Content-Type": "application/json"})
    count = sum(b'"content"' in line for line in connection.getresponse())
    connection.close()
    return _checked(count)


async def astream() -> int:
    """Read one streamed answer without a thread; return the number of tokens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["MODEL_PORT"]))
    body = _asked()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: model\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    count = 0
    while line := await reader.readline():
        count += b'"content"' in line
    writer.close()
    return _checked(count)


def tell(shapes: Mapping[str, Callable[[int], object]]) -> None:
    """Run the shape of the command line (`SHAPE SIZE REPEATS`); print the seconds of each go as JSON."""
    shape, size, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    first = timed(shapes[shape], size)
    seconds = [first] if first > SLOW_SECONDS else [timed(shapes[shape], size) for _ in range(repeats)]
    print(json.dumps(seconds), flush=True)
    os._exit(0)  # threads of pools and late results would hold a normal end


def timed(work: Callable[[int], object], size: int) -> float:
    started = time.perf_counter()
    work(size)
    return time.perf_counter() - started


def _asked() -> bytes:
    return json.dumps(
        {"model": "stream-2", "stream": True, "messages": [{"role": "user", "content": "Go on."}]}
    ).encode()


def _checked(count: int) -> int:
    if count != TOKENS:
        raise RuntimeError(f"The answer had {count} tokens instead of {TOKENS}.")
    return count
