"""The WebSocket `/ws/agents/`: remote agents, one connection each, with the agent's key as bearer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from apps.agents.agent_keys import find_agent
from apps.agents.models import Transport
from apps.runs.agent_gateway import REPLACED, gateway
from apps.runs.agent_session import AgentSession
from apps.runs.live.database import in_database
from apps.runs.live.gate import LAST_WORDS_SECONDS, Gate, Stalled, close_socket

log = structlog.get_logger(__name__)

LONGEST = 2 * 1024 * 1024
"""Bytes of one message; a result has at most 1 MiB."""
UNREADABLE, TOO_BIG, RESTART, LATER, REFUSED, TAKEN_OVER = 1003, 1009, 1012, 1013, 4401, 4409


class AgentConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One remote agent."""

    channel_layer_alias = "none"
    """There is no such layer: the gateway delivers."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._session: AgentSession | None = None
        self._gate: Gate | None = None
        self._telling: asyncio.Future[None] | None = None
        self._is_closed = False
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await self._end(RESTART)
            await asyncio.sleep(LAST_WORDS_SECONDS)
            raise
        finally:
            self._leave()

    async def connect(self) -> None:
        try:
            agent = await in_database(find_agent, _bearer(self.scope))
        except DatabaseError:
            agent = None
        if agent is None:
            await self.close()  # before accepting: HTTP 403
            return
        await self.accept()
        self._gate = Gate(self.base_send)
        session = self._session = gateway().enter(agent, Transport.WEBSOCKET)
        self._telling = asyncio.ensure_future(self._tell(session))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        text = message.get("text")
        if self._is_closed or self._session is None:
            return
        if text is None or len(text) > LONGEST:
            await self._end(UNREADABLE if text is None else TOO_BIG)
            return
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            await self._end(UNREADABLE)
            return
        try:
            await self._session.hear(content)
        except DatabaseError:
            await self._end(LATER)
            return
        if content.get("type") in {"hello", "beat"}:
            gateway().look(self._session.agent.team_id)

    async def _tell(self, session: AgentSession) -> None:
        """Send what the session has to say until it ends."""
        code = RESTART
        try:
            while (message := await session.outbox.get()) is not None:
                if self._gate is not None:
                    await self._gate.send({"type": "websocket.send", "text": json.dumps(message)})
            code = {REPLACED: TAKEN_OVER, "disabled": REFUSED}.get(session.closed_because, RESTART)
        except Stalled:
            log.info("agent_stalled", agent=session.agent.slug)
        await self._end(code)

    async def _end(self, code: int) -> None:
        if not self._is_closed:
            self._is_closed = True
            await close_socket(self.base_send, code)

    def _leave(self) -> None:
        self._is_closed = True
        if self._session is not None:
            gateway().leave(self._session)
        if self._telling is not None:
            self._telling.cancel()
        if self._gate is not None:
            self._gate.close()


def _bearer(scope: Any) -> str:
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, credential = header.partition(b" ")
    return credential.decode("ascii", "replace").strip() if scheme.lower() == b"bearer" else ""
