"""The guarded client: every outbound HTTP request of the product goes through `Outbound`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from orchestra.errors import AddressNotAllowed, NodeFailure, ToolFailed, ToolTimeout, ToolUnavailable
from orchestra.net.addresses import check_url, endpoint, host_of
from orchestra.net.connect import GuardedResolver, Lookup, guarded_connector, system_lookup
from orchestra.net.reply import HttpReply, Limits, Reply

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"}
)
SAFE_ELSEWHERE = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
        "user-agent",
        "idempotency-key",
        "x-attempt",
    }
)
"""Headers that follow a redirect to another host; anything else may be a credential."""

USER_AGENT = "Orchestra"


class Outbound:
    """HTTP with a guard: checked addresses, bounded time, size, redirects; one pool of connections per loop.

    `allow` holds the operator's exceptions as `host:port`; clients with different ones share nothing.
    """

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        limits: Limits | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self.allow = frozenset(entry.strip().lower() for entry in allow)
        self.limits = limits or Limits()
        self._lookup = lookup
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            WeakKeyDictionary()
        )

    async def __aenter__(self) -> Outbound:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the running loop's connections; the client can be used again."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the limit is part of the request
    ) -> HttpReply:
        """Send one request and return the whole answer, whatever its status.

        A `body` that is text or bytes is sent as it is, any other as JSON. `timeout` is seconds in all.
        Raises AddressNotAllowed, ToolTimeout, ToolUnavailable (cannot be reached), ToolFailed (over a limit).
        """
        seconds = self.limits.total_seconds if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                async with self.open(
                    method, url, headers=headers, query=query, body=body, timeout=seconds
                ) as reply:
                    return await reply.whole()
        except TimeoutError as error:
            raise ToolTimeout(f"No complete answer from {_place(url)} within {seconds:g} s.") from error

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the limit is part of the request
        idle: float | None = None,
        redirects: int | None = None,
        max_bytes: int | None = None,
    ) -> AsyncIterator[Reply]:
        """Send one request and hand over the answer while its body is still arriving.

        `timeout` bounds everything, `idle` the silence between two reads, in seconds. Raises as `request`.
        """
        target = _with_query(check_url(url, self.allow), query)
        data, sent = _encode(body, _clean(headers))
        timing = aiohttp.ClientTimeout(
            total=self.limits.total_seconds if timeout is None else timeout,
            sock_connect=self.limits.connect_seconds,
            sock_read=idle,
        )
        hops = self.limits.redirects if redirects is None else redirects
        try:
            response = await self._follow(_method(method), target, sent, data, timing, hops)
            try:
                yield Reply(response, self.limits.body_bytes if max_bytes is None else max_bytes)
            finally:
                response.close() if not response.content.at_eof() else response.release()
        except NodeFailure:
            raise
        except TimeoutError as error:
            raise ToolTimeout(f"{_place(url)} did not answer in time.") from error
        except aiohttp.ClientError as error:
            raise _failure(error, _place(url)) from error

    async def _follow(
        self,
        method: str,
        url: URL,
        headers: dict[str, str],
        data: bytes | None,
        timing: aiohttp.ClientTimeout,
        hops: int,
    ) -> aiohttp.ClientResponse:
        """Send and follow redirects, each checked like a first URL; 0 hops: the redirect is the answer."""
        for hop in range(hops + 1):
            response = await self._send(method, url, headers, data, timing)
            location = response.headers.get("Location")
            if hops == 0 or response.status not in REDIRECTS or not location:
                return response
            response.close()
            if hop == hops:
                break
            onward = check_url(str(_join(url, location)), self.allow)
            if onward.origin() != url.origin():
                headers = {name: value for name, value in headers.items() if name.lower() in SAFE_ELSEWHERE}
            if response.status == 303 or (response.status in (301, 302) and method == "POST"):
                method, data = "HEAD" if method == "HEAD" else "GET", None
                headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            url = onward
        raise ToolFailed(f"More than {hops} redirects.")

    async def _send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: bytes | None,
        timing: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        try:
            response = await self._session().request(
                method, url, headers=headers, data=data, timeout=timing, allow_redirects=False
            )
        except ValueError as error:
            if isinstance(error, aiohttp.ClientError):
                raise
            raise ToolFailed("A header or the URL contains characters that HTTP does not allow.") from error
        if sum(len(name) + len(value) for name, value in response.raw_headers) > self.limits.header_bytes:
            response.close()
            raise ToolFailed(f"The answer's headers are larger than {self.limits.header_bytes:,} bytes.")
        return response

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = aiohttp.ClientSession(
                connector=guarded_connector(GuardedResolver(self._lookup, self.allow)),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
                auto_decompress=False,
                trust_env=False,
            )
            self._sessions[loop] = session
        return session


_shared: dict[frozenset[str], Outbound] = {}


def shared(allow: frozenset[str] = frozenset()) -> Outbound:
    """Return this process's client for a set of exceptions, so that connections are reused."""
    return _shared.setdefault(allow, Outbound(allow=allow))


async def close_shared() -> None:
    """Close the running loop's connections of every shared client, before that loop ends."""
    for client in list(_shared.values()):
        await client.close()


def _method(name: str) -> str:
    upper = name.upper()
    if upper not in METHODS:
        raise ToolFailed(f"The method {name[:20]!r} is not allowed.")
    return upper


def _clean(headers: Mapping[str, str] | None) -> dict[str, str]:
    found = {str(name): str(value) for name, value in (headers or {}).items()}
    for name in found:
        if name.lower() in OWN_HEADERS or name.lower().startswith("proxy-"):
            raise ToolFailed(f"The header {name[:60]!r} cannot be set.")
    return found


def _encode(body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, headers
    kind = "application/json"
    if isinstance(body, bytes):
        data, kind = body, "application/octet-stream"
    elif isinstance(body, str):
        data, kind = body.encode(errors="replace"), "text/plain; charset=utf-8"
    else:
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    if not any(name.lower() == "content-type" for name in headers):
        headers = {**headers, "Content-Type": kind}
    return data, headers


def _with_query(url: URL, query: Mapping[str, Any] | None) -> URL:
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if item is not None:
                pairs.append((str(name), item if isinstance(item, str) else json.dumps(item)))
    return url.extend_query(pairs) if pairs else url


def _join(url: URL, location: str) -> URL:
    try:
        return url.join(URL(location))
    except ValueError as error:
        raise ToolFailed("The answer redirects to something that is not a URL.") from error


def _place(url: str) -> str:
    """Name the host for a message; never the path or query, which may hold secrets."""
    try:
        parsed = URL(url.strip())
        return endpoint(host_of(parsed), parsed.port or 0)
    except (ValueError, AddressNotAllowed):
        return "the address"


def _failure(error: aiohttp.ClientError, place: str) -> NodeFailure:
    if isinstance(error, aiohttp.InvalidURL):
        return AddressNotAllowed(f"Address not allowed: {place} is not a plain host name or IP address.")
    if isinstance(error, aiohttp.ClientSSLError):
        return ToolUnavailable(f"No secure connection to {place}: its certificate is not accepted.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ToolUnavailable(f"The name of {place} cannot be resolved.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ToolUnavailable(f"{place} cannot be reached: {error.os_error.strerror or 'no connection'}.")
    if isinstance(error, aiohttp.ClientResponseError):
        return ToolFailed(f"{place} answers with headers over the limit, or not with HTTP.")
    return ToolUnavailable(f"{place} closed the connection before the answer was complete.")
