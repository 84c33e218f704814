"""What the guarded client cuts off: size, time, headers, compression."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
from typing import Any

import pytest
from aiohttp import web

from orchestra.errors import ToolFailed, ToolTimeout, ToolUnavailable
from orchestra.net import Limits
from tests.local_server import serving, serving_raw


async def test_a_gzip_bomb_is_cut_at_the_limit_with_flat_memory(http: Any) -> None:
    bomb = gzip.compress(b"\0" * (200 * 1024 * 1024), compresslevel=1)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with serving(handler) as server:
        client = http(server)
        tracemalloc.start()
        with pytest.raises(ToolFailed, match="10,485,760"):
            await client.request("GET", server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak < 40 * 1024 * 1024


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_answers_are_read(http: Any, encoding: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.json_response({"text": "x" * 100_000})
        response.enable_compression(web.ContentCoding(encoding))
        return response

    async with serving(handler) as server:
        answer = await http(server).request("GET", server.url)

    assert answer.headers["content-encoding"] == encoding
    assert answer.body == {"text": "x" * 100_000}


async def test_an_endless_answer_is_cut_at_the_limit(http: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with serving(handler) as server:
        with pytest.raises(ToolFailed, match="limit of 200,000 bytes"):
            await http(server, limits=Limits(body_bytes=200_000)).request("GET", server.url)


async def test_a_slow_drip_ends_at_the_time_limit(http: Any) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    started = time.monotonic()
    async with serving_raw(drip) as server:
        with pytest.raises(ToolTimeout, match=r"0\.3 s"):
            await http(server).request("GET", server.url, timeout=0.3)

    assert time.monotonic() - started < 2


async def test_a_drip_of_redirects_shares_one_time_limit(http: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.15)
        return web.Response(status=302, headers={"Location": "/again"})

    async with serving(handler) as server:
        with pytest.raises(ToolTimeout):
            await http(server).request("GET", server.url, timeout=0.3)


async def test_silence_is_a_timeout(http: Any) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving_raw(silent) as server:
        with pytest.raises(ToolTimeout):
            async with http(server).open("GET", server.url, idle=0.1):
                pass


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n"
        + b"".join(b"X-%d: y\r\n" % n for n in range(10_000))
        + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"y" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 2000) for n in range(50)) + b"\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    ],
)
async def test_headers_beyond_the_limits_and_other_protocols_fail(http: Any, head: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()

    async with serving_raw(handler) as server:
        with pytest.raises((ToolFailed, ToolUnavailable)):
            await http(server).request("GET", server.url, timeout=5)


async def test_a_body_that_ends_early_is_unavailable(http: Any) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()

    async with serving_raw(handler) as server:
        with pytest.raises(ToolUnavailable):
            await http(server).request("GET", server.url)
