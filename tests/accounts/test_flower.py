"""Flower behind the staff login: who gets through, and what does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from django.test import Client

from apps.accounts.models import User
from orchestra.flower import target


class StubFlower:
    """A web server that notes what it is asked and answers as carelessly as Flower does."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        if request.path.endswith("/moved"):
            return web.Response(status=302, headers={"Location": "/flower/workers"})
        if request.path.endswith("/away"):
            return web.Response(status=302, headers={"Location": "https://evil.test/"})
        headers = {"Access-Control-Allow-Origin": "*", "Set-Cookie": "flower=1", "Server": "TornadoServer"}
        return web.Response(text="<h1>Flower</h1>", content_type="text/html", headers=headers)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/flower"

    def __enter__(self) -> StubFlower:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def stub(settings: Any) -> Iterator[StubFlower]:
    with StubFlower() as running:
        settings.ORCHESTRA_FLOWER_URL = running.url
        yield running


@pytest.fixture
def staff(make_user: Any) -> User:
    return make_user("stan", is_staff=True)


@pytest.fixture
def root(make_user: Any) -> User:
    return make_user("root", is_staff=True, is_superuser=True)


def read(answer: Any) -> bytes:
    async def collect() -> bytes:
        return b"".join([chunk async for chunk in answer.streaming_content])

    return asyncio.run(collect())


def test_without_flower_there_is_no_page(client: Client, staff: User) -> None:
    client.force_login(staff)

    assert client.get("/flower/").status_code == 404


@pytest.mark.parametrize(
    "path", ["/flower/", "/flower/api/workers", "/flower/metrics", "/flower/healthcheck"]
)
def test_strangers_are_sent_to_the_login(client: Client, stub: StubFlower, db: None, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert stub.requests == []


def test_members_are_refused(client: Client, stub: StubFlower, editor: User) -> None:
    client.force_login(editor)

    assert client.get("/flower/workers").status_code == 403
    assert stub.requests == []


def test_a_bearer_token_does_not_open_flower(client: Client, stub: StubFlower, staff: User) -> None:
    from apps.accounts import tokens

    pair = tokens.issue(staff)

    answer = client.get("/flower/", headers={"Authorization": f"Bearer {pair.access}"})

    assert answer.status_code == 302


def test_staff_see_the_page_without_flowers_careless_headers(
    client: Client, stub: StubFlower, staff: User
) -> None:
    client.force_login(staff)

    answer = client.get("/flower/workers?json=1")

    assert (answer.status_code, read(answer)) == (200, b"<h1>Flower</h1>")
    assert "Access-Control-Allow-Origin" not in answer
    assert "Server" not in answer
    assert "flower" not in answer.cookies
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert "unsafe-eval" not in answer["Content-Security-Policy"]
    scripts = next(part for part in answer["Content-Security-Policy"].split(";") if "script-src" in part)
    assert "unsafe-inline" not in scripts
    assert "sha256-A0YIP5A+DKoseGAUTHRoMPDkKPK5cKzfYH3mjcCKtj8=" in scripts
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_flower_gets_neither_cookie_nor_token(client: Client, stub: StubFlower, staff: User) -> None:
    client.force_login(staff)

    read(client.get("/flower/workers", {"a": "1 2"}, headers={"Authorization": "Basic eDp5"}))

    method, path, headers, _body = stub.requests[0]
    assert (method, path) == ("GET", "/flower/workers?a=1+2")
    assert not {"Cookie", "Authorization", "X-Forwarded-For"} & set(headers)


def test_changes_take_a_superuser_and_our_own_page(
    client: Client, stub: StubFlower, staff: User, root: User
) -> None:
    ours = {"Origin": "http://testserver"}
    path = "/flower/api/worker/shutdown/w1"
    tries = [
        (staff, ours),
        (root, {}),
        (root, {"Origin": "https://evil.test"}),
        (root, {"Origin": "null"}),
        (root, {"Origin": "http://testserver.evil.test"}),
    ]

    statuses = []
    for who, headers in tries:
        client.force_login(who)
        statuses.append(client.post(path, headers=headers).status_code)

    assert statuses == [403] * 5
    assert stub.requests == []
    client.force_login(root)
    assert client.post(path, headers=ours).status_code == 200
    assert stub.requests[0][0] == "POST"


def test_staff_read_flowers_tables_which_post(client: Client, stub: StubFlower, staff: User) -> None:
    client.force_login(staff)

    answer = client.post("/flower/tasks/datatable", {"draw": "1"}, headers={"Origin": "http://testserver"})

    assert answer.status_code == 200
    assert b"draw" in stub.requests[0][3]


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused(client: Client, stub: StubFlower, root: User, method: str) -> None:
    client.force_login(root)

    answer = getattr(client, method)("/flower/api/tasks", headers={"Origin": "http://testserver"})

    assert answer.status_code == 405
    assert stub.requests == []


def test_redirects_stay_inside(client: Client, stub: StubFlower, staff: User) -> None:
    client.force_login(staff)

    inside, outside = client.get("/flower/moved"), client.get("/flower/away")

    assert inside["Location"] == "/flower/workers"
    assert "Location" not in outside


def test_a_flower_that_is_down_is_a_502(client: Client, settings: Any, staff: User) -> None:
    settings.ORCHESTRA_FLOWER_URL = "http://127.0.0.1:1/flower"
    client.force_login(staff)

    assert client.get("/flower/").status_code == 502


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../b", "//evil.test/x", "..%2f..", "http://evil.test", "@evil.test", "a?b#c"]
)
def test_paths_stay_inside_flower(settings: Any, path: str) -> None:
    settings.ORCHESTRA_FLOWER_URL = "http://127.0.0.1:5555/flower"

    url = target(path, "")

    assert url.startswith("http://127.0.0.1:5555/flower/")
    assert "/../" not in url
    assert "?" not in url
