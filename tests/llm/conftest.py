"""Fixtures for talking to models: recorded prompts, clients of local servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from orchestra.llm.client import Chunk, Message, ModelRequest
from orchestra.llm.gemini import GeminiClient
from orchestra.llm.ollama import OllamaClient
from orchestra.net import Outbound

KEY = "sk-test-0123456789"
BASES = {GeminiClient: "/v1beta", OllamaClient: ""}


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[..., Any]]:
    """Return a factory: `client_of(OpenAIClient, server, secret=…, options=…)`."""
    opened: list[Outbound] = []

    def make(dialect: Any, *servers: Any, secret: str = KEY, options: Any = None) -> Any:
        http = Outbound(allow=frozenset(server.endpoint for server in servers))
        opened.append(http)
        return dialect(http, f"{servers[0].url}{BASES.get(dialect, '/v1')}", secret, options)

    yield make
    for http in opened:
        await http.close()


@pytest.fixture
def asking() -> Callable[..., ModelRequest]:
    """Return a factory of requests: `asking("prompt", schema=…, attempt=…)`."""

    def make(prompt: str = "Hello", **fields: Any) -> ModelRequest:
        fields.setdefault("messages", (Message("user", prompt),))
        fields.setdefault("model", "simulated-1")
        fields.setdefault("timeout", 5.0)
        return ModelRequest(**fields)

    return make


@pytest.fixture
def collect() -> Callable[..., Any]:
    """Return a coroutine function that reads a stream to its end."""

    async def read(client: Any, request: ModelRequest) -> list[Chunk]:
        return [chunk async for chunk in client.stream(request)]

    return read
