"""Trying a connection: what the person at the form is told."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from apps.agents import actions
from orchestra.llm.script import Script
from orchestra.llm.server import make_app


@pytest.fixture
def try_it(connect: Any, editor: Any, settings: Any) -> Any:
    """Make a connection to a server and try it."""

    def attempt(server: Any, **fields: Any) -> Any:
        settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({server.endpoint})
        base = {"gemini": "/v1beta", "ollama": ""}.get(fields.get("dialect", "openai"), "/v1")
        made = connect(base_url=f"{server.url}{base}", **fields)
        return actions.test_connection(connection=made, by=editor)

    return attempt


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini", "ollama"])
def test_a_working_connection_lists_its_models(dialect: str, try_it: Any, serve_beside: Any) -> None:
    with serve_beside(make_app()) as server:
        result = try_it(server, dialect=dialect)

    assert result.is_ok
    assert result.models == ("simulated-1", "simulated-2")
    assert 0 <= result.seconds < 10


def test_a_refused_key_is_told_without_the_key(try_it: Any, serve_beside: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        told = request.headers["Authorization"]
        return web.json_response({"error": {"message": f"Incorrect key: {told}"}}, status=401)

    with serve_beside(handler) as server:
        result = try_it(server)

    assert (result.is_ok, result.code) == (False, "bad_credentials")
    assert "Incorrect key" in result.message
    assert "abcdefgh" not in result.message
    assert result.hint


def test_a_provider_without_a_list_gets_a_short_question(try_it: Any, serve_beside: Any) -> None:
    full = make_app(Script(latency=0, tps=0))
    app = web.Application()
    chat = next(
        r for r in full.router.routes() if r.resource and r.resource.canonical == "/v1/chat/completions"
    )
    app.router.add_post("/v1/chat/completions", chat.handler)
    app._state.update(full._state)

    with serve_beside(app) as server:
        result = try_it(server, default_model="simulated-1")

    assert result.is_ok
    assert result.models == ("simulated-1",)


def test_something_else_at_the_address_is_told(try_it: Any, serve_beside: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    with serve_beside(handler) as server:
        result = try_it(server)

    assert (result.is_ok, result.code) == (False, "model_unavailable")
    assert "base URL" in result.message


def test_a_closed_port_is_told(try_it: Any, serve_beside: Any) -> None:
    with serve_beside(make_app()) as server:
        pass

    result = try_it(server)

    assert (result.is_ok, result.code) == (False, "model_unavailable")


def test_the_simulated_model_always_answers(connect: Any, editor: Any) -> None:
    made = connect("Local", dialect="simulated", secret="")

    assert actions.test_connection(connection=made, by=editor).is_ok


def test_an_address_inside_is_told(connect: Any, editor: Any, settings: Any) -> None:
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({"localhost:9"})
    made = connect(base_url="http://localhost:9/v1")
    settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset()

    result = actions.test_connection(connection=made, by=editor)

    assert (result.is_ok, result.code) == (False, "address_not_allowed")
