"""The OpenAI dialect as servers in the wild really speak it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from orchestra.errors import ModelRefused, ModelUnavailable, RateLimited
from orchestra.llm.client import Finish, Message, TextDelta
from orchestra.llm.openai import OpenAIClient, is_strict
from orchestra.llm.wire import NotServed
from tests.local_server import serving

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def delta(text: str | None = None, reason: str | None = None, **fields: Any) -> Any:
    part = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": {**part, **fields}, "finish_reason": reason}]}


def streaming(*parts: bytes) -> Callable[[web.Request], Any]:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        await response.write_eof()
        return response

    return handler


async def test_usage_in_a_last_event_without_choices_is_counted(
    client_of: Any, asking: Any, collect: Any
) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 22}, "model": "m-2026"}
    parts = [event(delta("Hi")), event(delta(None, "stop")), event(usage), event(b"[DONE]")]

    async with serving(streaming(*parts)) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking())

    assert chunks == [TextDelta("Hi"), Finish("stop", 11, 22, "m-2026")]


async def test_without_usage_the_tokens_are_estimated(client_of: Any, asking: Any, collect: Any) -> None:
    async with serving(
        streaming(event(delta("Hello there")), event(delta(None, "stop")), event(b"[DONE]"))
    ) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking("How are you"))

    assert chunks[-1].input_tokens == 3
    assert chunks[-1].output_tokens == 2


async def test_a_finish_reason_without_done_is_complete(client_of: Any, asking: Any, collect: Any) -> None:
    async with serving(streaming(event(delta("Hi")), event(delta(None, "length")))) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking())

    assert chunks[-1].reason == "length"


async def test_a_stream_that_just_ends_is_cut(client_of: Any, asking: Any, collect: Any) -> None:
    async with serving(streaming(event(delta("Half an ans")))) as server:
        with pytest.raises(ModelUnavailable, match="cut"):
            await collect(client_of(OpenAIClient, server), asking())


async def test_an_empty_stream_is_cut(client_of: Any, asking: Any, collect: Any) -> None:
    async with serving(streaming(b": keep-alive\n\n")) as server:
        with pytest.raises(ModelUnavailable, match="cut"):
            await collect(client_of(OpenAIClient, server), asking())


async def test_odd_but_harmless_events_are_passed_over(client_of: Any, asking: Any, collect: Any) -> None:
    parts = [
        b": OPENROUTER PROCESSING\n\n",
        event({"choices": []}),
        event({"choices": [{"index": 0, "delta": None, "finish_reason": None}]}),
        event(delta(None, None, role="assistant", reasoning_content="hm")),
        event(delta("ok")),
        event(delta("", "stop")),
        event(b"[DONE]"),
        event(b"after the end"),
    ]

    async with serving(streaming(*parts)) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking())

    assert chunks[0] == TextDelta("ok")
    assert len(chunks) == 2


@pytest.mark.parametrize(
    "value", [b"null", b"[]", b'"text"', b'{"choices": [null]}', b'{"choices": {"a": 1}}', b"{", b"\xff"]
)
async def test_nonsense_in_an_event_is_unavailable(
    value: bytes, client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(streaming(event(value), event(b"[DONE]"))) as server:
        with pytest.raises(ModelUnavailable):
            await collect(client_of(OpenAIClient, server), asking())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "overloaded", "type": "server_error"}, ModelUnavailable),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, RateLimited),
        ({"message": "no such model", "code": "model_not_found"}, NotServed),
        ({"message": "too long", "code": "context_length_exceeded"}, ModelRefused),
        ("just text", ModelUnavailable),
    ],
)
async def test_errors_reported_in_mid_stream_have_their_class(
    error: Any, expected: type[Exception], client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(streaming(event(delta("Ha")), event({"error": error}))) as server:
        with pytest.raises(expected) as caught:
            await collect(client_of(OpenAIClient, server), asking())

    assert type(caught.value) is expected


async def test_a_server_that_does_not_stream_is_understood(client_of: Any, asking: Any, collect: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "All at once"},
            "finish_reason": "stop",
        }
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 3}})

    async with serving(handler) as server:
        chunks = await collect(client_of(OpenAIClient, server), asking())

    assert chunks == [TextDelta("All at once"), Finish("stop", 1, 3, "")]


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"choices": []}', b'{"choices": "x"}', b"<html>", b"", b"x" * 1_000_000]
)
async def test_200_with_something_else_is_unavailable(
    body: bytes, client_of: Any, asking: Any, collect: Any
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with serving(handler) as server:
        with pytest.raises(ModelUnavailable):
            await collect(client_of(OpenAIClient, server), asking())


async def test_a_refusal_of_the_model_is_told(client_of: Any, asking: Any, collect: Any) -> None:
    async with serving(streaming(event(delta(None, None, refusal="I will not")))) as server:
        with pytest.raises(ModelRefused, match="I will not"):
            await collect(client_of(OpenAIClient, server), asking())


async def test_text_that_came_in_one_read_is_one_piece_and_shown_before_what_went_wrong_after_it(
    client_of: Any, asking: Any
) -> None:
    together = event(delta("I ")) + event(delta("will")) + event(delta(None, None, refusal="No"))
    shown = []

    async def look(client: OpenAIClient) -> None:
        async for chunk in client.stream(asking()):
            shown.append(chunk)

    async with serving(streaming(together)) as server:
        with pytest.raises(ModelRefused, match="No"):
            await look(client_of(OpenAIClient, server))

    assert shown == [TextDelta("I will")]


async def test_a_spent_quota_is_not_a_rate_limit(client_of: Any, asking: Any, collect: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
        return web.json_response({"error": error}, status=429)

    async with serving(handler) as server:
        with pytest.raises(NotServed):
            await collect(client_of(OpenAIClient, server), asking())


def refusing(*words: str) -> tuple[list[Any], Callable[[web.Request], Any]]:
    """A server that refuses these fields one by one, then answers."""
    bodies: list[Any] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        bodies.append(body)
        for word in words:
            if word in body:
                return web.json_response(
                    {"error": {"message": f"Unsupported parameter: '{word}'"}}, status=400
                )
        return await streaming(event(delta('{"score": 1}', "stop")), event(b"[DONE]"))(request)

    return bodies, handler


async def test_what_a_server_does_not_know_is_left_out_and_remembered(
    client_of: Any, asking: Any, collect: Any
) -> None:
    bodies, handler = refusing("stream_options", "response_format", "temperature")

    async with serving(handler) as server:
        client = client_of(OpenAIClient, server)
        await collect(client, asking("Score it", schema=SCHEMA, temperature=0.1))
        first = len(bodies)
        await collect(client, asking("Score it", schema=SCHEMA, temperature=0.1))

    assert first == 4
    assert len(bodies) == 5
    assert "JSON Schema" in bodies[-1]["messages"][0]["content"]


async def test_a_wrong_temperature_is_the_users_to_mend(client_of: Any, asking: Any, collect: Any) -> None:
    calls: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        calls.append(1)
        return web.json_response({"error": {"message": "temperature must be between 0 and 2"}}, status=400)

    async with serving(handler) as server:
        with pytest.raises(ModelRefused, match="between 0 and 2"):
            await collect(client_of(OpenAIClient, server), asking(temperature=1.9))

    assert len(calls) == 1


async def test_the_request_says_what_was_asked(client_of: Any, asking: Any, collect: Any) -> None:
    bodies, handler = refusing()
    messages = (Message("system", "s"), Message("user", "u", images=("https://example.com/a.png",)))

    async with serving(handler) as server:
        client = client_of(OpenAIClient, server, options={"body": {"top_p": 0.5, "stream": False}})
        await collect(client, asking(messages=messages, temperature=0, max_tokens=9, schema=SCHEMA))

    body = bodies[0]
    assert (body["model"], body["stream"], body["stream_options"]) == (
        "simulated-1",
        True,
        {"include_usage": True},
    )
    assert (body["temperature"], body["max_tokens"], body["top_p"]) == (0, 9, 0.5)
    assert body["messages"][0] == {"role": "system", "content": "s"}
    assert body["messages"][1]["content"][1]["image_url"]["url"] == "https://example.com/a.png"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body["response_format"]["json_schema"]["strict"] is False


async def test_a_connection_can_ask_for_json_in_words(client_of: Any, asking: Any, collect: Any) -> None:
    bodies, handler = refusing()

    async with serving(handler) as server:
        client = client_of(OpenAIClient, server, options={"structured": "prompt"})
        await collect(client, asking(schema=SCHEMA))

    assert "response_format" not in bodies[0]
    assert '"score"' in bodies[0]["messages"][0]["content"]


def test_strict_mode_needs_closed_objects_with_everything_required() -> None:
    closed = {**SCHEMA, "additionalProperties": False}

    assert is_strict(closed)
    assert not is_strict(SCHEMA)
    assert not is_strict({**closed, "required": []})
    assert is_strict({"type": "array", "items": closed})
    assert not is_strict({"type": "array", "items": SCHEMA})
