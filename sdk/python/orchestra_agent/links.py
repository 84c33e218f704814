"""How an agent reaches its installation: registering over HTTP, then one WebSocket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

REGISTER = "/api/v1/agents/register"
SOCKET = "/ws/agents/"
LONGEST = 4 * 1024 * 1024
CONNECT_SECONDS = 30
DISABLED, REPLACED = 4401, 4409


class Unreachable(Exception):
    """The installation cannot be reached now; trying again may help."""


class NotLetIn(Exception):
    """The installation does not let this agent in; the message says why."""


class KeyEnded(Exception):
    """The agent's key is not valid any more: it has to register again."""


class Replaced(Exception):
    """Another program works as this agent now."""


@dataclass(frozen=True, slots=True)
class Registration:
    """What an agent registers with."""

    name: str
    capabilities: Sequence[str]
    slots: int
    description: str = ""
    version: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "capabilities": list(self.capabilities),
            "slots": self.slots,
            "description": self.description,
            "version": self.version,
        }


class Link(Protocol):
    """One open connection that carries the messages of docs/agents.md."""

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises Unreachable."""

    async def receive(self) -> Mapping[str, Any]:
        """Raises Unreachable, KeyEnded, Replaced."""

    async def close(self) -> None: ...


class Door(Protocol):
    """A way into an installation."""

    async def register(self, token: str, registration: Registration) -> str:
        """Return the agent's key. Raises Unreachable, NotLetIn."""

    async def connect(self, key: str) -> Link:
        """Raises Unreachable, KeyEnded."""

    async def close(self) -> None: ...


class HttpDoor:
    """The way in over HTTP and a WebSocket."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def register(self, token: str, registration: Registration) -> str:
        try:
            answer = await self._opened().post(
                self._url + REGISTER,
                json=registration.as_json(),
                headers={"Authorization": f"Bearer {token}"},
            )
            async with answer:
                body = await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        if answer.status == 201:
            return str(json.loads(body)["key"])
        if answer.status in (400, 401, 403, 404, 409, 422):
            raise NotLetIn(f"Registering was refused ({answer.status}): {_detail(body)}")
        raise Unreachable(f"HTTP {answer.status}")

    async def connect(self, key: str) -> Link:
        url = self._url.replace("http", "ws", 1) + SOCKET
        try:
            socket = await self._opened().ws_connect(
                url, headers={"Authorization": f"Bearer {key}"}, max_msg_size=LONGEST, heartbeat=20
            )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                raise KeyEnded from error
            raise Unreachable(str(error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return SocketLink(socket)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True)
        return self._session


class SocketLink:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: Mapping[str, Any]) -> None:
        try:
            await self._socket.send_str(json.dumps(message))
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise Unreachable(str(error)) from error

    async def receive(self) -> Mapping[str, Any]:
        message = await self._socket.receive()
        if message.type == aiohttp.WSMsgType.TEXT:
            found: Mapping[str, Any] = json.loads(message.data)
            return found
        if self._socket.close_code == DISABLED:
            raise KeyEnded
        if self._socket.close_code == REPLACED:
            raise Replaced
        raise Unreachable(f"The connection was closed ({self._socket.close_code}).")

    async def close(self) -> None:
        await self._socket.close()


def _detail(body: str) -> str:
    try:
        problem = json.loads(body)
        listed = "; ".join(f"{one['path']}: {one['message']}" for one in problem.get("problems") or ())
        return f"{problem['detail']} {listed}".strip()
    except (ValueError, KeyError, TypeError):
        return body[:200]
