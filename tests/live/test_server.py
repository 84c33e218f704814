"""The entry point, and what only a real server shows: the end of a process, and clients that do not read."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiohttp import ClientSession
from django.conf import settings as configured

from apps.accounts.models import Team, User
from orchestra.asgi import WithProbe, application, lifespan
from tests.live.browsing import in_thread, key_of
from tests.live.conftest import RedisServer
from tests.live.growing import Growing

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


async def talk(app: Any, scope: dict[str, Any], *incoming: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an application sends when it is told `incoming`."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for message in incoming:
        inbox.put_nowait(message)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, inbox.get, send)
    return sent


@pytest.mark.parametrize(("method", "body"), [("GET", {"status": "ok"}), ("HEAD", None)])
async def test_the_probe_answers_without_touching_anything(method: str, body: Any) -> None:
    async def broken(*_: object) -> None:
        raise AssertionError("the rest was asked")

    start, content = await talk(WithProbe(broken), {"type": "http", "path": "/health", "method": method})

    assert start["status"] == 200
    assert (json.loads(content["body"]) if content["body"] else None) == body


async def test_servers_that_ask_are_told_that_the_application_starts_and_stops() -> None:
    sent = await talk(
        application, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
    )

    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert lifespan


class Server:
    """Daphne on the tests' database and Redis."""

    def __init__(self, redis_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        name = configured.DATABASES["default"]["NAME"]
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{name}",
            "REDIS_URL": redis_url,
            "BROKER_URL": "memory://",
            "DJANGO_SETTINGS_MODULE": "orchestra.settings",
        }
        command = ["daphne", "-b", "127.0.0.1", "-p", str(self.port), "orchestra.asgi:application"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )

    def wait_until_up(self) -> None:
        for _ in range(int(PATIENCE_SECONDS / 0.1)):
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server does not come up")

    def open_stream(self, growing: Growing, headers: dict[str, str], *, buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(("127.0.0.1", self.port))
        lines = [f"GET {growing.path} HTTP/1.1", "Host: localhost", "Accept: text/event-stream"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        return client

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def server(transactional_db: None, redis_server: RedisServer) -> Iterator[Server]:
    if not configured.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        pytest.skip("The server of this test shares the tests' SQLite file.")
    started = Server(redis_server.url)
    started.wait_until_up()
    yield started
    started.process.kill()
    started.process.wait()


def read_until(client: socket.socket, mark: bytes) -> bytes:
    read = b""
    while mark not in read and (chunk := client.recv(65536)):
        read += chunk
    assert mark in read, f"the connection ended after {read[-500:]!r}"
    return read


def test_a_server_that_stops_says_goodbye_to_its_streams(
    server: Server, growing: Growing, viewer: User, team: Team
) -> None:
    growing.tell("run.started")
    with server.open_stream(growing, key_of(viewer, team)) as client:
        read_until(client, b'"seq":1')
        before = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        last = read_until(client, b"0\r\n\r\n")
        server.process.wait(timeout=30)

    assert b"event: bye" in last
    assert b"retry: " in last
    assert time.monotonic() - before < 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_clients_that_do_not_read_cost_the_server_little_memory(
    server: Server, growing: Growing, viewer: User, team: Team
) -> None:
    headers = key_of(viewer, team)
    stalled = [server.open_stream(growing, headers, buffer=4096) for _ in range(18)]
    with server.open_stream(growing, headers) as reader:
        growing.tell("run.started")
        read_until(reader, b'"seq":1,')
        before = server.memory
        for number in range(2, 402):
            growing.tell("node.started", "draft", note="x" * 50_000)
            read_until(reader, f'"seq":{number},'.encode())
        grown = server.memory - before
    for client in stalled:
        client.close()

    assert grown < 100_000_000  # 20 MB for each of 18 clients, less what the kernel takes, would be 300 MB


async def test_sockets_close_with_the_codes_of_the_standard(
    server: Server, growing: Growing, viewer: User, team: Team
) -> None:
    address, headers = f"http://127.0.0.1:{server.port}/ws/", await in_thread(key_of)(viewer, team)
    codes = []
    async with ClientSession(headers=headers) as session:
        for text in ("{", "x" * 70_000):
            async with session.ws_connect(address, origin="http://localhost") as socket_:
                await socket_.send_str(text)
                codes.append((await socket_.receive(timeout=10)).data)
        async with session.ws_connect(address, origin="http://localhost") as socket_:
            await socket_.send_json({"type": "subscribe", "topics": [growing.topic]})
            await socket_.receive(timeout=10)
            server.process.send_signal(signal.SIGTERM)
            codes.append((await socket_.receive(timeout=10)).data)

    assert codes == [1003, 1009, 1012]
