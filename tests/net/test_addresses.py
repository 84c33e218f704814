"""Which spellings of which addresses are refused, and that nothing listens to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest

from orchestra.errors import AddressNotAllowed
from orchestra.net import Outbound, check_url, is_public

INSIDE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.5", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.5", "64:ff9b::7f00:1", "64:ff9b::a00:5",
    "64:ff9b:1::a00:5", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001::1",
    "2001:db8::1", "2002:7f00:1::", "3fff::1", "100::1", "5f00::1",
]  # fmt: skip
OUTSIDE = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
]

SPELLINGS = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://LOCALHOST:{port}/", "http://localhost.:{port}/",
    "http://a.localhost:{port}/", "http://0.0.0.0:{port}/", "http://0:{port}/", "http://[::1]:{port}/",
    "http://[::]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/", "http://[::1%25lo]:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.1:{port}/", "http://127.1:{port}/",
    "http://127.0.1:{port}/", "http://017700000001:{port}/", "http://0177.0.0.1:{port}/", "http://127.0.0.1.:{port}/",
    "http://good@127.0.0.1:{port}/", "http://a:b@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/", "http://127。0。0。1:{port}/", "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127．0．0．1:{port}/", "http://good:80\\@127.0.0.1:{port}/", "http://127.0.0.1\\@good:{port}/",
    "http:\\\\127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/", "http://127.0.0.1%00.example.com:{port}/", "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%2f@example.com:{port}/", "http://ⓛocalhost:{port}/", "HTTP://127.0.0.1:{port}",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_special_purpose_addresses_are_inside(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE)
def test_public_addresses_are_outside(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/", "data:text/plain,x", "dict://example.com/",
        "redis://example.com/", "unix:///tmp/s", "javascript:alert(1)", "example.com", "", "http://", "http://:80/",
        "http://example.com:0/", "http://example.com:99999/", "http://example.com:x/", "http://exa mple.com/",
        "http://user:pw@example.com/", "http://example.com/" + "a" * 9000, "http://[::1",
        "http://" + "a" * 300 + ":-1/",
    ],
)  # fmt: skip
def test_urls_that_are_none_of_ours_are_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/a?b=c d",
        " https://bücher.example/x ",
        "https://1.1.1.1/",
        "https://a.b/@x",
    ],
)
def test_ordinary_urls_pass(url: str) -> None:
    assert check_url(url).scheme in ("http", "https")


def test_an_exception_holds_for_exactly_its_host_and_port() -> None:
    allow = frozenset({"127.0.0.1:11434", "[::1]:80"})

    assert check_url("http://127.0.0.1:11434/v1", allow).port == 11434
    assert check_url("http://[::1]/", allow).port == 80
    for other in (
        "http://127.0.0.1:11435/",
        "http://127.0.0.2:11434/",
        "https://127.0.0.1/",
        "http://[::1]:81/",
    ):
        with pytest.raises(AddressNotAllowed):
            check_url(other, allow)


@pytest.fixture
async def canary() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A listener on every address of this machine that counts whoever connects."""
    hits: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(b"connected")
        writer.close()

    server = await asyncio.start_server(connected, None, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield port, hits
    finally:
        server.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_loopback_reaches_a_listener(
    spelling: str, canary: tuple[int, list[bytes]]
) -> None:
    port, hits = canary

    async with Outbound() as http:
        with pytest.raises(AddressNotAllowed):
            await http.request("GET", spelling.format(port=port), timeout=3)

    assert hits == []
