"""A thousand calls at once from one process: nothing caps them, nothing is lost."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from orchestra.llm.client import Finish, TextDelta
from orchestra.llm.openai import OpenAIClient
from orchestra.llm.script import Script
from orchestra.llm.server import make_app
from tests.local_server import serving
from tests.needs import need

CALLS = 1000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of every call are open in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CALLS * 2 + 500
    if soft < wanted:
        is_allowed = hard == resource.RLIM_INFINITY or hard >= wanted
        need(is_allowed, f"This machine allows {hard} open files, the test needs {wanted}.")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_calls_are_in_flight_at_once(
    many_files: None, client_of: Any, asking: Any, collect: Any
) -> None:
    waiting = 0
    everyone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal waiting
        await request.read()
        waiting += 1
        if waiting == CALLS:
            everyone.set()
        await everyone.wait()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(
            b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
        )
        return response

    async with serving(handler) as server:
        client = client_of(OpenAIClient, server)
        answers = await asyncio.gather(*(collect(client, asking(timeout=60)) for _ in range(CALLS)))

    assert waiting == CALLS
    assert all([type(chunk) for chunk in chunks] == [TextDelta, Finish] for chunks in answers)


async def test_a_thousand_streams_keep_their_texts_apart(
    many_files: None, client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(make_app(Script(latency=0, tps=400))) as server:
        client = client_of(OpenAIClient, server)
        prompts = [f"Summarise: Call number {number} has its own text." for number in range(CALLS)]
        answers = await asyncio.gather(*(collect(client, asking(prompt, timeout=60)) for prompt in prompts))

    texts = ["".join(chunk.text for chunk in chunks[:-1]) for chunks in answers]
    assert texts == [f"Call number {number} has its own text." for number in range(CALLS)]
