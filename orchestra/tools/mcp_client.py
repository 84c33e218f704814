"""Talks to one MCP server over the official SDK: agree on a protocol, list its tools, call one.

Servers are strangers: they are told nothing about this installation, and may ask it nothing (no sampling, no
questions to people, no roots).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from anyio import EndOfStream
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, RequestParamsMeta
from pydantic import ValidationError

from orchestra.errors import NodeFailure, ToolFailed, ToolTimeout, ToolUnavailable
from orchestra.net import Outbound, clean_json
from orchestra.tools.mcp_http import GuardedTransport
from orchestra.tools.tool import digest_of

MOST_TOOLS = 500
MOST_PAGES = 20
MOST_DESCRIPTION = 8_000
CONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is: `url` with the headers that open it, or a command line that the operator allows."""

    url: str = ""
    headers: Mapping[str, str] | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as its server describes it now."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    is_safe: bool

    @property
    def digest(self) -> str:
        """SHA-256, hex, of all that a model would be told."""
        return digest_of([self.name, self.title, self.description, self.schema])


class McpSession:
    """An open connection to one server."""

    def __init__(self, client: Client, transport: GuardedTransport | None) -> None:
        self._client = client
        self._transport = transport

    @property
    def protocol(self) -> str:
        return self._client.protocol_version

    async def offers(self) -> list[Offer]:
        """Return every tool that the server offers, page by page. Raises ToolUnavailable, ToolTimeout, ToolFailed."""
        found: list[Offer] = []
        cursor: str | None = None
        with _told(self._transport):
            for _page in range(MOST_PAGES):
                page = await self._client.list_tools(cursor=cursor, cache_mode="bypass")
                found.extend(_offer(tool) for tool in page.tools)
                cursor = page.next_cursor
                if cursor is None or len(found) >= MOST_TOOLS:
                    break
        return found[:MOST_TOOLS]

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float,  # noqa: ASYNC109 - the limit is part of the call; the SDK tells the server when it is over
        meta: Mapping[str, Any],
    ) -> Any:
        """Call a tool and return its structured result, its text, or its content as it came.

        Raises ToolFailed (the tool says so), ToolUnavailable, ToolTimeout.
        """
        with _told(self._transport):
            result = await self._client.call_tool(
                name,
                dict(arguments),
                read_timeout_seconds=timeout,
                meta=cast("RequestParamsMeta", dict(meta)),
            )
        content = [part.model_dump(mode="json", by_alias=True, exclude_none=True) for part in result.content]
        texts = [str(part["text"]) for part in content if part.get("type") == "text"]
        if result.is_error:
            raise ToolFailed(f"The tool says: {' '.join(texts)[:1000] or 'it failed.'}")
        if result.structured_content is not None:
            return clean_json(result.structured_content)
        return clean_json("\n".join(texts) if len(texts) == len(content) else content)


@asynccontextmanager
async def connected(
    place: Place, http: Outbound, *, seconds: float = CONNECT_SECONDS
) -> AsyncIterator[McpSession]:
    """Connect and agree on a protocol; enter and leave it in one task.

    Raises AddressNotAllowed, ToolUnavailable, ToolTimeout, ToolFailed.
    """
    transport = None if place.command else GuardedTransport(http, seconds)
    with _told(transport):
        async with _client(place, transport, seconds) as client:
            yield McpSession(client, transport)


@asynccontextmanager
async def _client(place: Place, transport: GuardedTransport | None, seconds: float) -> AsyncIterator[Client]:
    about = Implementation(name="Orchestra", version="1")
    if transport is None:
        command, *rest = shlex.split(place.command)
        with open(os.devnull, "w") as nowhere:  # noqa: ASYNC230 - opening it waits for nothing
            program = stdio_client(StdioServerParameters(command=command, args=rest), errlog=nowhere)
            async with Client(program, read_timeout_seconds=seconds, cache=None, client_info=about) as client:
                yield client
        return
    timing = httpx2.Timeout(seconds)
    async with httpx2.AsyncClient(
        transport=transport, headers=dict(place.headers or {}), timeout=timing, trust_env=False
    ) as sender:
        stream = streamable_http_client(place.url, http_client=sender)
        async with Client(stream, read_timeout_seconds=seconds, cache=None, client_info=about) as client:
            yield client


class _told:  # noqa: N801 - used like a function
    """Turns what the SDK raises into errors that say who must act."""

    def __init__(self, transport: GuardedTransport | None) -> None:
        self._transport = transport

    def __enter__(self) -> None:
        if self._transport is not None:
            self._transport.failure = None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or not isinstance(error, Exception):
            return
        found = failure_of(error)
        if self._transport is not None and self._transport.failure is not None:
            found = self._transport.failure
        if found is not None and found is not error:
            raise found from error


def failure_of(error: Exception) -> NodeFailure | None:
    """Return what an exception of the SDK means, or None when it is nothing of the kind."""
    if isinstance(error, NodeFailure):
        return error
    if isinstance(error, ExceptionGroup):
        return next(filter(None, map(failure_of, error.exceptions)), None)
    if isinstance(error, MCPError):
        return _said(error)
    if isinstance(error, ValidationError):
        return ToolFailed("The MCP server answers with something that the protocol does not know.")
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return ToolTimeout("The MCP server did not answer in time.")
    if isinstance(error, httpx2.HTTPStatusError):
        return _refused(error.response.status_code)
    if isinstance(error, httpx2.HTTPError | OSError | EndOfStream):
        return ToolUnavailable(
            f"The MCP server cannot be reached: {str(error)[:200] or type(error).__name__}"
        )
    return None


def _said(error: MCPError) -> NodeFailure:
    if error.code == REQUEST_TIMEOUT:
        return ToolTimeout("The MCP server did not answer in time.")
    if error.code == CONNECTION_CLOSED:
        return ToolUnavailable("The MCP server closed the connection.")
    return ToolFailed(f"The MCP server says: {error.message[:500]}")


def _refused(status: int) -> NodeFailure:
    if status >= 500 or status in (408, 429):
        return ToolUnavailable(f"The MCP server answered {status}.")
    return ToolFailed(f"The MCP server answered {status}: is its address right, and its secret?")


def _offer(tool: Any) -> Offer:
    notes = tool.annotations
    title = tool.title or (notes.title if notes else None) or ""
    is_safe = bool(notes and (notes.read_only_hint or notes.idempotent_hint))
    description = str(clean_json((tool.description or "")[:MOST_DESCRIPTION]))
    return Offer(str(tool.name)[:128], str(title)[:200], description, clean_json(tool.input_schema), is_safe)
