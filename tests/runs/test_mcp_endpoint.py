"""`/mcp` as the official client sees it, over a real server: tools, calls, progress, long runs, cancellation, doors."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from django.db import connections
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from apps.accounts.actions import create_api_key
from apps.runs.mcp import server as mcp_server
from apps.runs.models import Run
from apps.tools.actions import create_workflow_tool, update_tool
from tests.running import wait_for_end

DOUBLE = """
orchestra: 1
inputs: {type: object, required: [n], properties: {n: {type: integer, title: Number}}}
nodes: {double: {kind: transform, settings: {value: "{{ inputs.n * 2 }}"}}}
output: {doubled: "{{ nodes.double.output }}"}
"""
WAITS = "orchestra: 1\nnodes: {go: {kind: wait, settings: {signal: go}}}\noutput: {done: true}"


@pytest.fixture
def place(worker: Any, settings: Any) -> Iterator[str]:
    """Serve the product's own application and return where `/mcp` is."""
    from orchestra.asgi import application

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        application, host="127.0.0.1", port=port, log_level="error", ws="none", lifespan="off"
    )
    web = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()), daemon=True)
    thread.start()
    pause = threading.Event()
    for _ in range(1000):
        if web.started:
            break
        pause.wait(0.02)
    yield f"http://127.0.0.1:{port}/mcp"
    web.should_exit = True
    thread.join(20)


@pytest.fixture
def offered(publish_workflow: Any, team: Any, editor: Any) -> Any:
    """Opt workflows in as tools and return a function that makes keys."""
    publish_workflow(DOUBLE, name="Double")
    publish_workflow(WAITS, name="Waits")
    create_workflow_tool(team=team, workflow="double", description="Doubles n.", is_served=True, by=editor)
    create_workflow_tool(team=team, workflow="waits", is_served=True, by=editor)
    hidden = create_workflow_tool(team=team, workflow="double", name="hidden", is_served=True, by=editor)
    update_tool(tool=hidden, is_served=False, by=editor)

    def key(*scopes: str) -> str:
        return create_api_key(user=editor, team=team, name="mcp", scopes=list(scopes), expires_at=None)[1]

    return key


@asynccontextmanager
async def client(place: str, key: str, mode: str = "auto", **headers: str) -> AsyncIterator[Client]:
    sent = {"Authorization": f"Bearer {key}", **headers}
    async with (
        httpx2.AsyncClient(headers=sent, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(place, http_client=http), mode=mode, cache=None) as found,
    ):
        yield found


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_official_client_lists_and_calls_a_workflow(place: str, offered: Any, mode: str) -> None:
    key = offered("run")
    progress: list[tuple[float, float | None]] = []

    async def told(done: float, total: float | None, _message: str | None) -> None:
        progress.append((done, total))

    async def talk() -> Any:
        async with client(place, key, mode) as mcp:
            tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
            answer = await mcp.call_tool("double", {"n": 21}, progress_callback=told)
            wrong = await mcp.call_tool("double", {"n": "x"})
            return tools, answer, wrong

    tools, answer, wrong = asyncio.run(talk())

    assert set(tools) == {"double", "waits", "get_run", "cancel_run"}
    assert tools["double"].description == "Doubles n."
    assert tools["double"].input_schema["properties"]["n"]["type"] == "integer"
    assert (answer.is_error, answer.structured_content) == (False, {"doubled": 42})
    assert wrong.is_error
    assert "n" in wrong.content[0].text
    assert progress[0] == (0, 1)
    assert Run.objects.get().tags == ["mcp"]


def test_a_long_run_goes_on_as_a_task_and_can_be_looked_after_and_cancelled(
    place: str, offered: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(mcp_server, "WAIT_SECONDS", 0.2)
    key = offered("run")

    async def talk() -> Any:
        async with client(place, key) as mcp:
            begun = (await mcp.call_tool("waits", {})).structured_content
            found = (await mcp.call_tool("get_run", {"run": begun["run"]})).structured_content
            cancelled = (await mcp.call_tool("cancel_run", {"run": begun["run"]})).structured_content
            unknown = await mcp.call_tool("get_run", {"run": "01a201f1-0000-7000-8000-000000000000"})
            return begun, found, cancelled, unknown

    begun, found, cancelled, unknown = asyncio.run(talk())

    assert found["run"] == begun["run"]
    assert found["status"] in ("running", "waiting")
    assert cancelled["status"] == "cancelled"
    assert unknown.is_error


def until_it_waits() -> None:
    """Return once the run that a call has started waits; in a thread of its own."""
    pause = threading.Event()
    for _ in range(600):
        if Run.objects.filter(status="waiting").exists():
            break
        pause.wait(0.05)
    connections.close_all()


def test_a_client_that_gives_up_its_call_cancels_the_run(place: str, offered: Any) -> None:
    key = offered("run")

    async def talk() -> None:
        async with client(place, key) as mcp:
            call = asyncio.create_task(mcp.call_tool("waits", {}))
            await asyncio.to_thread(until_it_waits)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    asyncio.run(talk())

    run = wait_for_end(Run.objects.get())
    assert run.status == "cancelled"


def test_a_key_for_reading_starts_nothing(place: str, offered: Any) -> None:
    key = offered("read")

    async def talk() -> Any:
        async with client(place, key) as mcp:
            return await mcp.call_tool("double", {"n": 1})

    assert "scope" in asyncio.run(talk()).content[0].text
    assert not Run.objects.exists()


def test_strangers_foreign_pages_and_rebound_names_stay_outside(place: str, offered: Any) -> None:
    key = offered("run")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}

    def status(**headers: str) -> int:
        sent = {"Accept": "application/json, text/event-stream", **headers}
        return int(httpx2.post(place, json=body, headers=sent, trust_env=False).status_code)

    bearer = f"Bearer {key}"
    assert status() == 401
    assert status(Authorization="Bearer orc_wrong") == 401
    assert status(Authorization=bearer, Origin="https://evil.test") == 403
    assert status(Authorization=bearer, Host="evil.test") == 403
