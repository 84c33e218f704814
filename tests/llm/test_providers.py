"""Every dialect against a scripted server: every way in which a provider can fail has its error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from orchestra.errors import (
    AddressNotAllowed,
    BadCredentials,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    Transient,
)
from orchestra.llm.anthropic import AnthropicClient
from orchestra.llm.client import Finish, Message, TextDelta
from orchestra.llm.gemini import GeminiClient
from orchestra.llm.ollama import OllamaClient
from orchestra.llm.openai import OpenAIClient
from orchestra.llm.responses import ResponsesClient
from orchestra.llm.script import Script
from orchestra.llm.server import make_app
from orchestra.llm.wire import NotServed
from orchestra.net import Outbound
from tests.local_server import serving, serving_raw

DIALECTS = [OpenAIClient, AnthropicClient, ResponsesClient, GeminiClient, OllamaClient]
TEXT = "Summarise this: The cat sat on the mat. It was warm there. Nobody moved it all day."
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
AT_ONCE = Script(latency=0, tps=0)

both = pytest.mark.parametrize("dialect", DIALECTS)


def written(chunks: Any) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


@both
async def test_an_answer_streams_and_ends_with_its_tokens(
    dialect: Any, client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(make_app(Script(latency=0, tps=1000))) as server:
        chunks = await collect(client_of(dialect, server), asking(TEXT))

    assert len(chunks) > 1
    assert "The cat sat on the mat." in written(chunks)
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].reason == "stop"
    assert chunks[-1].input_tokens > 10
    assert chunks[-1].output_tokens > 5
    assert chunks[-1].model == "simulated-1"


@both
async def test_a_schema_is_answered_with_json(
    dialect: Any, client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(make_app(AT_ONCE)) as server:
        chunks = await collect(client_of(dialect, server), asking(TEXT, schema=SCHEMA))

    assert isinstance(json.loads(written(chunks))["score"], int)


@both
async def test_max_tokens_cuts_and_says_so(dialect: Any, client_of: Any, asking: Any, collect: Any) -> None:
    async with serving(make_app(AT_ONCE)) as server:
        chunks = await collect(client_of(dialect, server), asking(TEXT, max_tokens=3))

    assert chunks[-1].reason == "length"
    assert chunks[-1].output_tokens == 3


@both
@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ("400", ModelRefused), ("401", BadCredentials), ("403", BadCredentials), ("404", NotServed),
        ("408", ModelTimeout), ("409", ModelUnavailable), ("413", ModelRefused), ("422", ModelRefused),
        ("429", RateLimited), ("500", ModelUnavailable), ("502", ModelUnavailable), ("503", ModelUnavailable),
        ("504", ModelTimeout), ("529", ModelUnavailable), ("cut:1", ModelUnavailable), ("cut:0", ModelUnavailable),
        ("html", ModelUnavailable), ("error", ModelUnavailable), ("badjson", ModelUnavailable),
        ("badutf8", ModelUnavailable), ("refuse", ModelUnavailable),
    ],
)  # fmt: skip
async def test_every_failure_has_its_error(
    dialect: Any, failure: str, error: type[Exception], client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(make_app(AT_ONCE)) as server:
        with pytest.raises(error) as caught:
            await collect(client_of(dialect, server), asking(f"{TEXT} [[simulate fail={failure}]]"))

    assert type(caught.value) is error


@both
async def test_silence_is_a_timeout(dialect: Any, client_of: Any, asking: Any, collect: Any) -> None:
    async def silent(reader: Any, writer: Any) -> None:
        await reader.read()

    async with serving_raw(silent) as server:
        with pytest.raises(ModelTimeout):
            await collect(client_of(dialect, server), asking(timeout=0.2))
        with pytest.raises(ModelTimeout):
            await collect(client_of(dialect, server, options={"idle_seconds": 0.2}), asking())


@both
async def test_silence_in_mid_stream_is_a_timeout(dialect: Any, client_of: Any, asking: Any) -> None:
    async with serving(make_app(Script(latency=0, tps=1))) as server:
        client = client_of(dialect, server, options={"idle_seconds": 0.2})
        stream = client.stream(asking(TEXT))
        first = await anext(stream)
        with pytest.raises(ModelTimeout):
            await anext(stream)

    assert isinstance(first, TextDelta)


@both
async def test_a_pause_that_is_asked_for_is_told(
    dialect: Any, client_of: Any, asking: Any, collect: Any
) -> None:
    async with serving(make_app(AT_ONCE)) as server:
        with pytest.raises(RateLimited) as caught:
            await collect(client_of(dialect, server), asking(f"{TEXT} [[simulate fail=429:7]]"))

    assert caught.value.retry_after == 7.0


@both
async def test_attempts_are_told_to_the_server(
    dialect: Any, client_of: Any, asking: Any, collect: Any
) -> None:
    prompt = f"{TEXT} [[simulate fail=429,500]]"
    async with serving(make_app(AT_ONCE)) as server:
        client = client_of(dialect, server)
        with pytest.raises(RateLimited):
            await collect(client, asking(prompt, attempt=1))
        with pytest.raises(ModelUnavailable):
            await collect(client, asking(prompt, attempt=2))
        chunks = await collect(client, asking(prompt, attempt=3))

    assert written(chunks)


@both
async def test_the_key_the_attempt_and_the_idempotency_key_are_sent(
    dialect: Any, client_of: Any, asking: Any, collect: Any
) -> None:
    seen: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update({name.lower(): value for name, value in request.headers.items()})
        return web.Response(status=500)

    async with serving(handler) as server:
        client = client_of(dialect, server, options={"headers": {"X-Team": "blue"}})
        with pytest.raises(ModelUnavailable):
            await collect(client, asking(idempotency_key="run/node", attempt=4))

    assert "sk-test-0123456789" in (
        seen.get("x-api-key") or seen.get("x-goog-api-key") or seen["authorization"]
    )
    assert seen["idempotency-key"] == "run/node"
    assert seen["x-attempt"] == "4"
    assert seen["x-team"] == "blue"


@both
async def test_an_echoed_key_is_redacted(dialect: Any, client_of: Any, asking: Any, collect: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        message = "Incorrect key open-sesame, also sk-proj-abcdefgh12345678 and Bearer zzz.yyy"
        return web.json_response({"error": {"message": message}}, status=401)

    async with serving(handler) as server:
        with pytest.raises(BadCredentials) as caught:
            await collect(client_of(dialect, server, secret="open-sesame"), asking())

    assert "Incorrect key" in caught.value.message
    for part in ("sesame", "abcdefgh", "zzz"):
        assert part not in caught.value.message


@both
async def test_a_redirect_is_refused_and_the_key_goes_nowhere(
    dialect: Any, client_of: Any, asking: Any, collect: Any
) -> None:
    hits: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response()

    async with serving(elsewhere, "127.0.0.2") as other:

        async def handler(request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": f"{other.url}/v1"})

        async with serving(handler) as server:
            with pytest.raises(ModelRefused, match="base URL"):
                await collect(client_of(dialect, server, other), asking())

    assert hits == []


@both
@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:9/v1", "http://169.254.169.254/v1", "file:///v1", "http://[::1]/"]
)
async def test_a_base_url_to_the_inside_is_blocked(
    dialect: Any, base_url: str, asking: Any, collect: Any
) -> None:
    async with Outbound() as http:
        with pytest.raises(AddressNotAllowed):
            await collect(dialect(http, base_url, "key"), asking())
        with pytest.raises(AddressNotAllowed):
            await dialect(http, base_url, "key").models()


@both
async def test_models_are_listed(dialect: Any, client_of: Any) -> None:
    async with serving(make_app()) as server:
        assert await client_of(dialect, server).models() == ["simulated-1", "simulated-2"]


@both
async def test_something_that_is_no_provider_is_told_apart(dialect: Any, client_of: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with serving(handler) as server:
        with pytest.raises(ModelUnavailable, match="base URL"):
            await client_of(dialect, server).models()


@both
@pytest.mark.parametrize("size", [200_000, 5_000_000])
async def test_a_huge_error_page_is_not_read_whole(
    dialect: Any, size: int, client_of: Any, asking: Any, collect: Any
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=500, text="x" * size)

    async with serving(handler) as server:
        with pytest.raises(ModelUnavailable) as caught:
            await collect(client_of(dialect, server), asking())

    assert len(caught.value.message) < 700


@both
async def test_leaving_a_stream_early_frees_its_connection(dialect: Any, client_of: Any, asking: Any) -> None:
    async with serving(make_app(Script(latency=0, tps=5))) as server:
        stream = client_of(dialect, server).stream(asking(TEXT))
        first = await anext(stream)
        await stream.aclose()

    assert isinstance(first, TextDelta)


async def test_every_transient_error_of_the_table_may_be_retried() -> None:
    assert all(issubclass(error, Transient) for error in (ModelUnavailable, ModelTimeout, RateLimited))
    assert not any(issubclass(error, Transient) for error in (ModelRefused, BadCredentials, NotServed))


async def test_anthropic_gets_the_system_text_apart(client_of: Any, asking: Any, collect: Any) -> None:
    bodies: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.Response(status=500)

    messages = (
        Message("system", "Be brief."),
        Message("user", "Look", images=("data:image/png;base64,AAAA", "https://example.com/a.png")),
    )
    async with serving(handler) as server:
        with pytest.raises(ModelUnavailable):
            await collect(client_of(AnthropicClient, server), asking(messages=messages, temperature=1.5))

    body = bodies[0]
    assert body["system"] == "Be brief."
    assert body["temperature"] == 1.0
    assert body["max_tokens"] > 0
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image", "image", "text"]
    assert body["messages"][0]["content"][0]["source"]["media_type"] == "image/png"
