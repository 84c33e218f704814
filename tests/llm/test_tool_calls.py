"""Tool calls in every dialect and with the simulated model: asked for, put together from pieces, answered."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestra.errors import ModelUnavailable
from orchestra.llm.anthropic import AnthropicClient
from orchestra.llm.client import Finish, Message, ModelRequest, TextDelta, ToolCall, ToolSpec
from orchestra.llm.gemini import GeminiClient
from orchestra.llm.ollama import OllamaClient
from orchestra.llm.openai import OpenAIClient
from orchestra.llm.responses import ResponsesClient
from orchestra.llm.script import Script
from orchestra.llm.server import make_app
from orchestra.llm.simulated import SimulatedClient
from orchestra.net import Outbound
from tests.local_server import serving

COUNT = ToolSpec(
    "count_words",
    "Count the words of a text.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)
FIBO = ToolSpec(
    "fibo",
    "Return the n-th Fibonacci number.",
    {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
)
TOOLS = (COUNT, FIBO)
DOCUMENT = "The cat sat on the mat. It was warm there, and nobody came."
PROMPT = f"How many words are in this text?\n\n{DOCUMENT}"


def sse(*values: Any) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for value in values:
            await response.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        await response.write_eof()
        return response

    return handler


def delta(*parts: Any, reason: str | None = None) -> Any:
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(parts)}, "finish_reason": reason}]}


def part(index: int | None, call_id: str | None, name: str | None, arguments: str) -> Any:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    found = {"function": function} | ({"id": call_id} if call_id else {})
    return found if index is None else {"index": index, **found}


@pytest.mark.parametrize(
    "parts",
    [
        [
            part(0, "a", "f", ""),
            part(0, None, None, '{"x"'),
            part(1, "b", "g", "{}"),
            part(0, None, None, ": 1}"),
        ],
        [part(0, "a", "f", '{"x": 1}'), part(0, "b", "g", "{}")],
    ],
    ids=["in pieces that cross", "whole, all with index 0"],
)
async def test_calls_are_put_together_from_the_pieces_of_a_stream(
    client_of: Any, asking: Any, collect: Any, parts: list[Any]
) -> None:
    async with serving(sse(*(delta(one) for one in parts), delta(reason="tool_calls"))) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking(tools=TOOLS))

    assert chunks[-1].reason == "tool_calls"
    assert chunks[-1].tool_calls == (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "{}"))


async def test_whole_calls_without_index_and_id_are_read(client_of: Any, asking: Any, collect: Any) -> None:
    parts = [part(None, None, "f", '{"x": 1}'), part(None, None, "g", "")]
    async with serving(sse(delta(*parts, reason="stop"))) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking(tools=TOOLS))

    assert [(call.name, call.arguments) for call in chunks[-1].tool_calls] == [("f", '{"x": 1}'), ("g", "{}")]
    assert len({call.id for call in chunks[-1].tool_calls}) == 2


@pytest.mark.parametrize("broken", [3, {"function": 1}, {"id": "x"}])
async def test_a_call_that_cannot_be_read_is_nonsense(
    client_of: Any, asking: Any, collect: Any, broken: Any
) -> None:
    async with serving(sse(delta(broken))) as server:
        with pytest.raises(ModelUnavailable, match="cannot be read"):
            await collect(client_of(OpenAIClient, server), asking(tools=TOOLS))


async def test_a_model_that_asks_for_calls_without_end_is_stopped(
    client_of: Any, asking: Any, collect: Any
) -> None:
    parts = [part(index, f"c{index}", "f", "{}") for index in range(65)]
    async with serving(sse(delta(*parts))) as server:
        with pytest.raises(ModelUnavailable, match="64 calls"):
            await collect(client_of(OpenAIClient, server), asking(tools=TOOLS))


@pytest.mark.parametrize(
    "dialect", [OpenAIClient, AnthropicClient, ResponsesClient, GeminiClient, OllamaClient]
)
async def test_a_whole_conversation_with_tools_through_a_server(
    client_of: Any, collect: Any, dialect: Any
) -> None:
    asked = ModelRequest("simulated-1", (Message("user", PROMPT),), timeout=5, tools=TOOLS)
    async with serving(make_app(Script(latency=0, tps=0))) as server:
        client = client_of(dialect, server)
        first = await collect(client, asked)
        calls = first[-1].tool_calls
        said = "".join(chunk.text for chunk in first if isinstance(chunk, TextDelta))
        turns = (Message("assistant", said, tool_calls=calls), Message("tool", "13", call_id=calls[0].id))
        second = await collect(
            client, ModelRequest("simulated-1", (*asked.messages, *turns), timeout=5, tools=TOOLS)
        )

    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("count_words", {"text": DOCUMENT})
    ]
    answer = "".join(chunk.text for chunk in second if isinstance(chunk, TextDelta))
    assert "simulated model" in answer
    assert "count_words: 13" in answer
    assert second[-1].tool_calls == ()


async def test_results_of_one_turn_stand_together_for_anthropic() -> None:
    calls = (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "broken"))
    messages = (
        Message("user", "Go"),
        Message("assistant", "", tool_calls=calls),
        Message("tool", "1", call_id="a"),
        Message("tool", "2", call_id="b"),
    )
    payload = AnthropicClient(Outbound(), "http://x").payload(
        ModelRequest("m", messages, tools=TOOLS, schema={"type": "object"}), frozenset()
    )

    assert [turn["role"] for turn in payload["messages"]] == ["user", "assistant", "user"]
    assert payload["messages"][1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]
    assert [block["tool_use_id"] for block in payload["messages"][2]["content"]] == ["a", "b"]
    assert [tool["name"] for tool in payload["tools"]] == ["count_words", "fibo"]
    assert "tool_choice" not in payload
    assert "JSON Schema" in payload["system"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_the_server_gives_calls_in_whole_answers_too(path: str) -> None:
    tool = {"name": COUNT.name, "description": COUNT.description}
    wire = (
        {"type": "function", "function": {**tool, "parameters": COUNT.schema}}
        if "chat" in path
        else {**tool, "input_schema": COUNT.schema}
    )
    body = {"model": "simulated-1", "messages": [{"role": "user", "content": PROMPT}], "tools": [wire]}
    async with (
        serving(make_app(Script(latency=0, tps=0))) as server,
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}{path}", json=body) as reply,
    ):
        answer = await reply.json()

    if "chat" in path:
        call = answer["choices"][0]["message"]["tool_calls"][0]["function"]
        assert (call["name"], json.loads(call["arguments"])) == ("count_words", {"text": DOCUMENT})
        assert answer["choices"][0]["finish_reason"] == "tool_calls"
    else:
        assert answer["content"][1]["input"] == {"text": DOCUMENT}
        assert answer["stop_reason"] == "tool_use"


async def simulated(prompt: str, *turns: Message, **more: Any) -> tuple[str, Finish]:
    request = ModelRequest("simulated-1", (Message("user", prompt), *turns), tools=TOOLS, **more)
    chunks = [chunk async for chunk in SimulatedClient(Script(latency=0, tps=0)).stream(request)]
    assert isinstance(chunks[-1], Finish)
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta)), chunks[-1]


async def test_the_simulated_model_takes_numbers_from_its_task() -> None:
    _text, finish = await simulated("What is the 12th Fibonacci number?")

    assert finish.tool_calls == (ToolCall("call_1_1", "fibo", '{"n": 12}'),)


async def test_the_simulated_model_calls_no_tool_that_its_task_does_not_mention_or_feed() -> None:
    assert (await simulated(f"Summarise this.\n\n{DOCUMENT}"))[1].tool_calls == ()
    assert (await simulated("Tell me about Fibonacci."))[1].tool_calls == ()


async def test_the_simulated_model_puts_results_where_the_schema_names_them() -> None:
    schema = {"type": "object", "required": ["words"], "properties": {"words": {"type": "integer"}}}
    calls = (ToolCall("a", "count_words", "{}"),)
    text, _finish = await simulated(
        PROMPT,
        Message("assistant", "", tool_calls=calls),
        Message("tool", "4711", call_id="a"),
        schema=schema,
    )

    assert json.loads(text) == {"words": 4711}


async def test_scripted_calls_come_one_a_turn_before_the_answer() -> None:
    prompt = 'Go.\n[[call fibo {"n": 3}]]\n[[call count_words {}]]\n[[answer Done]]'
    first = (await simulated(prompt))[1].tool_calls
    turn = Message("assistant", "x", tool_calls=first)
    second = (await simulated(prompt, turn, Message("tool", "2", call_id=first[0].id)))[1].tool_calls
    text, finish = await simulated(prompt, turn, turn)

    assert [(call.name, call.arguments) for call in (*first, *second)] == [
        ("fibo", '{"n": 3}'),
        ("count_words", "{}"),
    ]
    assert (text, finish.tool_calls) == ("Done", ())
