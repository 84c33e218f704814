"""A client of the event streams that talks to the ASGI application itself: no sockets, the same bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.actions import create_api_key
from apps.accounts.models import Team, User
from apps.runs.routing import StreamsBeside

PATIENCE_SECONDS = 10.0
Block = dict[str, Any]


async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for Django: what is no stream is its own."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"django"})


application = StreamsBeside(nothing_else)


def cookie_of(user: User) -> dict[str, str]:
    """Log a user in and return the headers that say so."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}


def key_of(user: User, team: Team, *scopes: str) -> dict[str, str]:
    """Give a user an API key and return the headers that carry it."""
    _, secret = create_api_key(user=user, team=team, name="test", scopes=list(scopes or ["read"]))
    return {"authorization": f"Bearer {secret}"}


in_thread = database_sync_to_async


class Client:
    """One stream. `async with Client(path, headers) as client: await client.block()`."""

    def __init__(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        before_send: Callable[[], Any] | None = None,
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.blocks: list[Block] = []
        self.last_id = ""
        self.is_over = asyncio.Event()
        self._headers = {"host": "localhost", "accept": "text/event-stream", **(headers or {})}
        self._address = urlsplit(path)
        self._method = method
        self._before_send = before_send
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._news = asyncio.Event()
        self._read = 0
        self._left = b""
        self._answering: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Client:
        scope = {
            "type": "http",
            "method": self._method,
            "path": self._address.path,
            "query_string": self._address.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in self._headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            "scheme": "http",
        }
        self._inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self._answering = asyncio.ensure_future(application(scope, self._inbox.get, self._send))
        self._answering.add_done_callback(self._ended)
        await self.until(lambda: self.status or self.is_over.is_set())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inbox.put_nowait({"type": "http.disconnect"})
        assert self._answering is not None
        done, _ = await asyncio.wait([self._answering], timeout=PATIENCE_SECONDS)
        assert done, "the stream outlives its client"
        if not self._answering.cancelled():
            self._answering.result()

    async def stop_server(self) -> None:
        """Cancel the connection, as a server does that stops."""
        assert self._answering is not None
        self._answering.cancel()
        await asyncio.wait([self._answering], timeout=PATIENCE_SECONDS)

    async def block(self, type_: str = "") -> Block:
        """Return the next block, or the next of a type: `{id, event, data}` and what else it has."""
        while True:
            await self.until(lambda: self._read < len(self.blocks) or self.is_over.is_set())
            assert self._read < len(self.blocks), f"the stream ended without {type_ or 'another block'}"
            self._read += 1
            found = self.blocks[self._read - 1]
            if found.get("event", "") and (not type_ or found["event"] == type_):
                return found

    async def events(self, count: int) -> list[int]:
        """Return the `seq` of the next events of the log."""
        seqs: list[int] = []
        while len(seqs) < count:
            seq = (await self.block())["data"].get("seq")
            seqs += [seq] if seq else []
        return seqs

    async def until_over(self) -> None:
        await self.until(self.is_over.is_set)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        return dict(json.loads(self.body))

    def has_no_more(self) -> bool:
        return not any(block.get("event") for block in self.blocks[self._read :])

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds that the stream brings about."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def _send(self, message: dict[str, Any]) -> None:
        if self._before_send is not None:
            await self._before_send()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self._parse(message.get("body", b""))
            if not message.get("more_body"):
                self.is_over.set()
        self._news.set()

    def _ended(self, _: object) -> None:
        self.is_over.set()
        self._news.set()

    def _parse(self, chunk: bytes) -> None:
        *blocks, self._left = (self._left + chunk).split(b"\n\n")
        for raw in blocks:
            block: Block = {}
            for line in raw.decode().split("\n"):
                name, _, value = line.partition(": ")
                block[name] = json.loads(value) if name == "data" else value
            self.last_id = block.get("id", self.last_id)
            self.blocks.append(block)
