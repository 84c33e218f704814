"""A remote agent in tests: it speaks with the ASGI application itself, over a WebSocket without a network."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator

from apps.accounts.models import Team, User
from apps.agents import actions
from apps.agents.models import AgentToken
from apps.runs.routing import Sockets

PATIENCE_SECONDS = 20.0
Message = dict[str, Any]
in_thread = database_sync_to_async


def make_token(team: Team, by: User) -> AgentToken:
    return actions.create_agent_token(team=team, name="Fleet", by=by)[0]


class RemoteAgent:
    """`async with RemoteAgent(token, "Translator", ["translate"]) as agent: await agent.hear("assignment")`."""

    def __init__(self, token: AgentToken, name: str, capabilities: list[str], slots: int = 1) -> None:
        self.registration = {"token": token, "name": name, "capabilities": capabilities, "slots": slots}
        self.key = ""

    async def __aenter__(self) -> RemoteAgent:
        registered = await in_thread(actions.register_agent)(**self.registration)
        self.key, self.row = registered.key, registered.agent
        await self.connect()
        return self

    async def connect(self, held: list[Message] | None = None) -> None:
        headers = [(b"authorization", f"Bearer {self.key}".encode())]
        self.socket = WebsocketCommunicator(Sockets(), "/ws/agents/", headers=headers)
        is_open, _ = await self.socket.connect(timeout=PATIENCE_SECONDS)
        assert is_open
        await self.say("hello", held=held or [])
        await self.hear("welcome")

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    async def disconnect(self) -> None:
        await self.socket.disconnect(timeout=PATIENCE_SECONDS)

    async def say(self, type_: str, about: Message | None = None, **more: Any) -> None:
        named = {} if about is None else {"id": about["id"], "fence": about["fence"]}
        await self.socket.send_json_to({"type": type_, **named, **more})

    async def hear(self, type_: str) -> Message:
        """Return the next message of a type; others are passed over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message: Message = await self.socket.receive_json_from(timeout=PATIENCE_SECONDS)
                if message["type"] == type_:
                    return message

    async def finish(self, assignment: Message, output: Any, **more: Any) -> bool:
        """Say that an assignment is done; return whether that was accepted."""
        await self.say("done", assignment, output=output, **more)
        return bool((await self.hear("ack"))["accepted"])
