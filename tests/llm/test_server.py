"""The simulated provider's own manners: what it answers to requests that are not ours."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from orchestra.llm.script import Script
from orchestra.llm.server import make_app
from tests.local_server import serving

CHAT = {
    "model": "simulated-1",
    "messages": [{"role": "user", "content": "Summarise: The cat sat. It was warm there."}],
}


async def post(server: Any, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}{path}", json=body, headers=headers) as reply,
    ):
        return reply.status, await reply.json()


async def test_a_whole_chat_answer() -> None:
    async with serving(make_app(Script(latency=0, tps=0))) as server:
        status, body = await post(server, "/v1/chat/completions", CHAT)

    assert status == 200
    assert body["object"] == "chat.completion"
    assert "cat" in body["choices"][0]["message"]["content"]
    assert (
        body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    )


async def test_a_whole_message() -> None:
    tool = {
        "name": "answer",
        "input_schema": {"type": "object", "properties": {"score": {"type": "integer"}}},
    }
    asked = {
        **CHAT,
        "max_tokens": 50,
        "system": [{"type": "text", "text": "s"}],
        "tools": [tool],
        "tool_choice": {"type": "tool"},
    }
    async with serving(make_app(Script(latency=0, tps=0))) as server:
        status, body = await post(server, "/v1/messages", asked)

    assert status == 200
    assert body["content"][0]["type"] == "tool_use"
    assert isinstance(body["content"][0]["input"]["score"], int)


@pytest.mark.parametrize(
    "body", [[], {}, {"model": "m"}, {"model": "m", "messages": 3}, {"model": "m", "messages": [1]}, "x"]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_request_of_another_shape_is_400(path: str, body: Any) -> None:
    async with serving(make_app()) as server:
        status, answer = await post(server, path, body)

    assert status == 400
    assert answer["error"]["message"]


async def test_attempts_are_counted_when_they_are_not_told() -> None:
    async with serving(make_app(Script(latency=0, tps=0, fail=("503", "429:2")))) as server:
        statuses = [(await post(server, "/v1/chat/completions", CHAT))[0] for _ in range(3)]
        told, _ = await post(server, "/v1/chat/completions", CHAT, **{"X-Attempt": "1"})

    assert statuses == [503, 429, 200]
    assert told == 503
