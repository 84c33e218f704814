"""The guarded client against local servers: what it sends, what it follows, what it cuts off."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestra.errors import AddressNotAllowed, ToolFailed, ToolUnavailable
from orchestra.net import Outbound, close_shared, connect, shared
from orchestra.net.connect import GuardedResolver
from tests.local_server import serving


async def echo(request: web.Request) -> web.Response:
    text = await request.text()
    return web.json_response(
        {"method": request.method, "path": request.path_qs, "headers": dict(request.headers), "text": text}
    )


async def test_a_request_carries_query_headers_and_a_json_body(http: Any) -> None:
    async with serving(echo) as server:
        answer = await http(server).request(
            "post",
            f"{server.url}/a?x=1",
            headers={"X-Own": "yes"},
            query={"tag": ["a", "b"], "on": True, "none": None, "n": 2},
            body={"name": "Zoë"},
        )

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.body["method"] == "POST"
    assert answer.body["path"] == "/a?x=1&tag=a&tag=b&on=true&n=2"
    assert answer.body["headers"]["X-Own"] == "yes"
    assert answer.body["headers"]["Content-Type"] == "application/json"
    assert json.loads(answer.body["text"]) == {"name": "Zoë"}


async def test_text_is_sent_as_it_is(http: Any) -> None:
    async with serving(echo) as server:
        answer = await http(server).request("PUT", server.url, body="plain")

    assert answer.body["text"] == "plain"
    assert answer.body["headers"]["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "text/plain", '{"a": 1}'),
        (b"{broken", "application/json", "{broken"),
        (b'{"a": NaN}', "application/json", '{"a": NaN}'),
        (b"[" * 100_000, "application/json", "[" * 100_000),
        (b'"a\\u0000b\\ud800c"', "application/json", "ab\ufffdc"),
        (b"a\x00\xff", "text/plain; charset=utf-8", "a\ufffd"),
        ("é".encode("latin-1"), "text/plain; charset=latin-1", "é"),
        (b"x", "text/plain; charset=nonsense", "x"),
        (b"", "application/json", ""),
    ],
)
async def test_bodies_become_json_or_storable_text(http: Any, raw: bytes, kind: str, expected: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=raw, headers={"Content-Type": kind})

    async with serving(handler) as server:
        answer = await http(server).request("GET", server.url)

    assert answer.body == expected


async def test_connections_are_reused(http: Any) -> None:
    peers: set[Any] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(text="ok")

    async with serving(handler) as server:
        client = http(server)
        for _ in range(3):
            await client.request("GET", server.url)

    assert len(peers) == 1


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Proxy-Authorization"])
async def test_headers_that_steer_the_connection_cannot_be_set(http: Any, name: str) -> None:
    with pytest.raises(ToolFailed):
        await http().request("GET", "https://example.com/", headers={name: "x"})


async def test_line_breaks_in_headers_are_refused(http: Any) -> None:
    async with serving(echo) as server:
        with pytest.raises(ToolFailed):
            await http(server).request("GET", server.url, headers={"X-A": "a\r\nX-B: b"})


async def test_other_methods_are_refused(http: Any) -> None:
    with pytest.raises(ToolFailed):
        await http().request("CONNECT", "https://example.com/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_inside_is_blocked(http: Any, status: int) -> None:
    hits: list[str] = []

    async def inside(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response()

    async with serving(inside) as secret:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{secret.url}/meta"})

        async with serving(redirect) as public:
            with pytest.raises(AddressNotAllowed):
                await http(public).request("GET", public.url, headers={"Authorization": "Bearer x"})

    assert hits == []


async def test_credentials_stay_behind_when_the_host_changes(http: Any) -> None:
    async with serving(echo, "127.0.0.2") as second:

        async def redirect(request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": f"{second.url}/x"})

        async with serving(redirect) as first:
            answer = await http(first, second).request(
                "POST",
                first.url,
                headers={
                    "Authorization": "Bearer x",
                    "X-Api-Key": "k",
                    "Cookie": "c=1",
                    "Idempotency-Key": "i",
                },
                body={"a": 1},
            )

    sent = {name.lower(): value for name, value in answer.body["headers"].items()}
    assert not {"authorization", "x-api-key", "cookie"} & set(sent)
    assert sent["idempotency-key"] == "i"
    assert answer.body["text"] == '{"a":1}'


async def test_credentials_stay_when_the_host_stays_and_303_turns_into_get(http: Any) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/start":
            return web.Response(status=303, headers={"Location": "/end"})
        return await echo(request)

    async with serving(handler) as server:
        answer = await http(server).request(
            "POST", f"{server.url}/start", headers={"Authorization": "Bearer x"}, body="data"
        )

    assert answer.body["method"] == "GET"
    assert answer.body["text"] == ""
    assert answer.body["headers"]["Authorization"] == "Bearer x"


async def test_a_sixth_redirect_is_not_followed(http: Any) -> None:
    hits: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response(status=302, headers={"Location": "/again"})

    async with serving(handler) as server:
        with pytest.raises(ToolFailed, match="5 redirects"):
            await http(server).request("GET", server.url)

    assert len(hits) == 6


async def test_redirects_can_be_switched_off(http: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/again"})

    async with serving(handler) as server, http(server).open("GET", server.url, redirects=0) as reply:
        status = reply.status

    assert status == 302


async def test_a_name_with_one_inside_address_is_refused_whole(http: Any) -> None:
    async def lookup(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.5"]

    with pytest.raises(AddressNotAllowed):
        await http(lookup=lookup).request("GET", "http://mixed.test/")


async def test_a_rebinding_name_never_reaches_the_inside(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "is_public", lambda address: str(address) == "127.0.0.2")
    monkeypatch.setattr(connect, "FRESH_SECONDS", 0.0)
    answers = iter(["127.0.0.2", "127.0.0.1", "127.0.0.1"])
    hits: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        return [next(answers)]

    async def public(request: web.Request) -> web.Response:
        hits.append("public")
        return web.Response(headers={"Connection": "close"})

    async with serving(public, "127.0.0.2") as server:
        inside = await asyncio.start_server(lambda *_: hits.append("inside"), "127.0.0.1", server.port)
        client = http(lookup=lookup)
        await client.request("GET", f"http://rebind.test:{server.port}/")
        with pytest.raises(AddressNotAllowed):
            await client.request("GET", f"http://rebind.test:{server.port}/")
        inside.close()

    assert hits == ["public"]


async def test_concurrent_calls_to_one_name_ask_the_resolver_once(http: Any) -> None:
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        await asyncio.sleep(0.01)
        return ["127.0.0.1"]

    async with serving(echo) as server:
        client = Outbound(allow=frozenset({f"service.test:{server.port}"}), lookup=lookup)
        async with client:
            url = f"http://service.test:{server.port}/"
            answers = await asyncio.gather(*(client.request("GET", url) for _ in range(20)))

    assert [answer.status for answer in answers] == [200] * 20
    assert asked == ["service.test"]


async def test_a_socket_is_opened_only_to_what_was_checked() -> None:
    async def lookup(host: str, port: int) -> list[str]:
        return ["10.0.0.5"]

    resolver = GuardedResolver(lookup, frozenset({"model.test:80"}))
    await resolver.resolve("model.test", 80)

    assert resolver.is_permitted("10.0.0.5", 80)
    assert not resolver.is_permitted("10.0.0.5", 81)
    assert not resolver.is_permitted("10.0.0.6", 80)
    assert resolver.is_permitted("1.1.1.1", 443)


async def test_an_unknown_name_and_a_closed_port_are_unavailable(http: Any) -> None:
    async def lookup(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(ToolUnavailable, match=r"unknown\.test"):
        await http(lookup=lookup).request("GET", "http://unknown.test/")
    async with serving(echo) as server:
        pass
    with pytest.raises(ToolUnavailable, match="cannot be reached"):
        await http(server).request("GET", server.url)


async def test_messages_name_the_host_but_not_the_path_or_query(http: Any) -> None:
    async with serving(echo) as server:
        pass

    with pytest.raises(ToolUnavailable) as caught:
        await http(server).request("GET", f"{server.url}/secret-path?token=abc")

    assert server.endpoint in caught.value.message
    assert "secret" not in caught.value.message
    assert "abc" not in caught.value.message


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://user:pw@example.com/", "http://2130706433/"]
)
async def test_redirects_are_checked_like_first_urls(http: Any, location: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    async with serving(handler) as server:
        with pytest.raises(AddressNotAllowed):
            await http(server).request("GET", server.url)


async def test_the_connector_alone_refuses_inside_addresses() -> None:
    hits: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response()

    connector = connect.guarded_connector(GuardedResolver(connect.system_lookup, frozenset()))
    async with serving(handler) as server, aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(AddressNotAllowed):
            await session.get(server.url)

    assert hits == []


async def test_the_shared_clients_connections_are_closed_before_their_loop_ends() -> None:
    async with serving(echo) as server:
        client = shared(frozenset({server.endpoint}))
        await client.request("GET", server.url)
        session = client._session()

        await close_shared()

    assert session.closed
    assert not client._session().closed
    await close_shared()
