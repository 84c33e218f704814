"""What is particular to the responses, Gemini and Ollama dialects: the shapes that their references show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from orchestra.errors import BadCredentials, ModelRefused, ModelUnavailable, RateLimited
from orchestra.llm.client import Message, ModelRequest, TextDelta, ToolCall, ToolSpec
from orchestra.llm.gemini import GeminiClient
from orchestra.llm.ollama import OllamaClient
from orchestra.llm.responses import ResponsesClient
from orchestra.llm.sse import LineParser
from orchestra.net import Outbound
from tests.local_server import serving

PICTURE = "data:image/png;base64,AAAA"
TOOL = ToolSpec("look_up", "Look it up.", {"type": "object", "properties": {"q": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CALLS = (ToolCall("a", "look_up", '{"q": "x"}'), ToolCall("b", "look_up", "broken"))
TALK = (
    Message("system", "Be brief."),
    Message("user", "Look", images=(PICTURE,)),
    Message("assistant", "I look.", tool_calls=CALLS),
    Message("tool", "13", call_id="a"),
    Message("tool", "14", call_id="b"),
)


def payload(dialect: Any, **fields: Any) -> dict[str, Any]:
    request = ModelRequest("m", fields.pop("messages", TALK), **fields)
    found: dict[str, Any] = dialect(Outbound(), "http://x").payload(request, frozenset())
    return found


def answering(body: str | bytes, content_type: str = "text/event-stream", status: int = 200) -> Any:
    async def handler(request: web.Request) -> web.Response:
        raw = body if isinstance(body, bytes) else body.encode()
        return web.Response(body=raw, content_type=content_type, status=status)

    return handler


def events(*values: Any) -> str:
    return "".join(f"event: {value.get('type', '')}\ndata: {json.dumps(value)}\n\n" for value in values)


def lines(*values: Any) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


def test_responses_take_calls_and_results_as_items_and_store_nothing() -> None:
    body = payload(ResponsesClient, tools=(TOOL,), max_tokens=9, schema=SCHEMA)

    assert body["instructions"] == "Be brief."
    assert [item.get("type", item.get("role")) for item in body["input"]] == [
        "user",
        "assistant",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert body["input"][0]["content"][1] == {"type": "input_image", "image_url": PICTURE}
    assert body["input"][4] == {"type": "function_call_output", "call_id": "a", "output": "13"}
    assert body["text"]["format"]["schema"] == SCHEMA
    assert (body["store"], body["max_output_tokens"]) == (False, 9)


def test_gemini_puts_results_together_and_gives_signatures_back() -> None:
    signed = (ToolCall("c~sig", "look_up", "{}"),)
    body = payload(GeminiClient, tools=(TOOL,), max_tokens=9, schema=SCHEMA)
    again = payload(
        GeminiClient, messages=(Message("user", "x"), Message("assistant", "", tool_calls=signed))
    )

    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][0]["parts"][0] == {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert body["contents"][1]["parts"][2] == {"functionCall": {"name": "look_up", "args": {}}}
    assert len(body["contents"][2]["parts"]) == 2
    assert "JSON Schema" in body["systemInstruction"]["parts"][0]["text"]
    assert body["generationConfig"] == {"maxOutputTokens": 9}
    assert again["contents"][1]["parts"][0]["thoughtSignature"] == "sig"
    assert payload(GeminiClient, schema=SCHEMA)["generationConfig"]["responseJsonSchema"] == SCHEMA


def test_ollama_names_the_tool_of_a_result_and_takes_a_schema_as_its_format() -> None:
    body = payload(OllamaClient, tools=(TOOL,), temperature=0.5, max_tokens=9)

    assert body["messages"][1]["images"] == ["AAAA"]
    assert body["messages"][3] == {"role": "tool", "content": "13", "tool_name": "look_up"}
    assert body["options"] == {"temperature": 0.5, "num_predict": 9}
    assert payload(OllamaClient, schema=SCHEMA)["format"] == SCHEMA
    with pytest.raises(ModelRefused, match="data URLs"):
        payload(OllamaClient, messages=(Message("user", "x", images=("https://example.org/a.png",)),))


async def test_responses_that_end_badly_are_told(client_of: Any, asking: Any, collect: Any) -> None:
    failed = {
        "type": "response.failed",
        "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow."}},
    }
    filtered = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    stopped = {"type": "response.incomplete", "response": filtered}
    for value, error in (
        (failed, RateLimited),
        (stopped, ModelRefused),
        ({"type": "error"}, ModelUnavailable),
    ):
        async with serving(answering(events(value))) as server:
            with pytest.raises(error):
                await collect(client_of(ResponsesClient, server), asking())


async def test_a_whole_response_is_read_where_a_server_does_not_stream(
    client_of: Any, asking: Any, collect: Any
) -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "Hello."}]}
    call = {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{}"}
    whole = {"status": "completed", "output": [said, call], "usage": {"input_tokens": 3, "output_tokens": 4}}
    async with serving(answering(json.dumps(whole), "application/json")) as server:
        chunks = await collect(client_of(ResponsesClient, server), asking(tools=(TOOL,)))

    assert chunks[0] == TextDelta("Hello.")
    assert chunks[-1].tool_calls == (ToolCall("c", "look_up", "{}"),)
    assert (chunks[-1].input_tokens, chunks[-1].output_tokens) == (3, 4)


async def test_gemini_thoughts_are_not_shown_but_counted(client_of: Any, asking: Any, collect: Any) -> None:
    parts = [
        {"text": "Hm.", "thought": True},
        {"text": "Yes."},
        {"functionCall": {"name": "look_up", "args": {"q": "x"}}, "thoughtSignature": "sig"},
    ]
    value = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 5},
        "modelVersion": "gemini-x",
    }
    async with serving(answering(f"data: {json.dumps(value)}\r\n\r\n")) as server:
        chunks = await collect(client_of(GeminiClient, server), asking(tools=(TOOL,)))

    assert [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)] == ["Yes."]
    assert (chunks[-1].input_tokens, chunks[-1].output_tokens, chunks[-1].model) == (3, 9, "gemini-x")
    assert chunks[-1].tool_calls == (ToolCall("call_1~sig", "look_up", '{"q": "x"}'),)


@pytest.mark.parametrize(
    ("status", "value", "error"),
    [
        (200, {"promptFeedback": {"blockReason": "SAFETY"}}, ModelRefused),
        (200, {"candidates": [{"finishReason": "SAFETY"}]}, ModelRefused),
        (200, {"candidates": [{"content": {"parts": [{"text": "Ha"}]}}]}, ModelUnavailable),
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}, BadCredentials),
        (429, {"error": {"message": "Quota", "status": "RESOURCE_EXHAUSTED"}}, RateLimited),
    ],
)
async def test_gemini_refusals_have_their_errors(
    status: int, value: Any, error: type[Exception], client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(
        answering(f"data: {json.dumps(value)}\n\n" if status == 200 else json.dumps(value), status=status)
    ) as server:
        with pytest.raises(error):
            await collect(client_of(GeminiClient, server), asking())


async def test_ollama_streams_lines_and_a_call_whole(client_of: Any, asking: Any, collect: Any) -> None:
    call = {"function": {"name": "look_up", "arguments": {"q": "x"}}}
    body = lines(
        {"model": "m", "message": {"role": "assistant", "thinking": "Hm."}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "Yes."}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False},
        {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 4},
    )
    async with serving(answering(body.rstrip("\n"), "application/x-ndjson")) as server:
        chunks = await collect(client_of(OllamaClient, server), asking(tools=(TOOL,)))

    assert chunks[0] == TextDelta("Yes.")
    assert chunks[-1].tool_calls == (ToolCall("call_1", "look_up", '{"q": "x"}'),)
    assert (chunks[-1].input_tokens, chunks[-1].output_tokens) == (3, 4)


async def test_ollama_reports_trouble_in_mid_stream(client_of: Any, asking: Any, collect: Any) -> None:
    body = lines({"message": {"content": "Ha"}, "done": False}, {"error": "the runner has died"})
    async with serving(answering(body, "application/x-ndjson")) as server:
        with pytest.raises(ModelUnavailable, match="runner has died"):
            await collect(client_of(OllamaClient, server), asking())


def test_lines_may_be_cut_anywhere_but_not_grow_without_end() -> None:
    parser = LineParser()

    found = [event.data for piece in (b'{"a"', b": 1}\n\n{", b'"b": 2}') for event in parser.feed(piece)]

    assert found == [b'{"a": 1}']
    assert [event.data for event in parser.close()] == [b'{"b": 2}']
    with pytest.raises(ModelUnavailable):
        LineParser().feed(b"x" * 2_000_000)
