"""The agents that are connected to this process: what is given to them is sent, what is cancelled they are told.

Messages between processes are hints; the rows are read anyway every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.db import Error as DatabaseError

from apps.agents.models import Agent
from apps.runs import live
from apps.runs.actions import assignments
from apps.runs.agent_session import AgentSession
from apps.runs.live.database import in_database
from apps.runs.live.gate import before_shutdown

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
"""How often the rows are read without a hint."""
REPLACED = "replaced"
RESTART = "restart"


class Gateway:
    """The connected agents of one event loop."""

    def __init__(self) -> None:
        self.sessions: dict[UUID, AgentSession] = {}
        self._loop = asyncio.get_running_loop()
        self._texts = live.TextStreams()
        self._hint = asyncio.Event()
        self._teams: set[UUID] = set()
        self._working: asyncio.Task[None] | None = None
        self._stop_listening: Any = None
        self._is_announced = False
        self._leaving: set[asyncio.Task[None]] = set()

    def enter(self, agent: Agent, transport: str) -> AgentSession:
        """Let an agent in; an older connection of the same agent ends."""
        before = self.sessions.get(agent.pk)
        if before is not None:
            before.close(REPLACED)
        session = AgentSession(agent, transport, self._texts)
        self.sessions[agent.pk] = session
        if not self._is_announced:
            self._is_announced = True
            before_shutdown(self._say_goodbye)
        if self._working is None:
            self._stop_listening = live.listen_for_workers(self._hear)
            self._working = self._loop.create_task(self._work())
        return session

    def leave(self, session: AgentSession) -> None:
        """Note that a connection has ended; what the agent holds stays its own until the leases run out."""
        if self.sessions.get(session.agent.pk) is session:
            del self.sessions[session.agent.pk]
            self._leaving.add(leaving := self._loop.create_task(self._note_gone(session)))
            leaving.add_done_callback(self._leaving.discard)
        if not self.sessions and self._working is not None:
            self._working.cancel()
            self._working = None
            self._stop_listening()

    async def _note_gone(self, session: AgentSession) -> None:
        try:
            await session.note_gone()
        except DatabaseError as error:
            log.warning("agent_leaves_unseen", error=type(error).__name__)  # its silence will say so

    def look(self, team_id: UUID) -> None:
        """See soon whether there is something for a team's agents."""
        self._teams.add(team_id)
        self._hint.set()

    def _say_goodbye(self) -> None:
        for session in self.sessions.values():
            session.close(RESTART)

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Take a hint, in the thread of the driver."""
        if isinstance(team := message.get("assignments"), str):
            self._loop.call_soon_threadsafe(self.look, UUID(team))
        if message.get("given"):
            self._loop.call_soon_threadsafe(self._hint.set)
        if isinstance(run := message.get("cancel"), str):
            self._loop.call_soon_threadsafe(self._cancel, run)

    def _cancel(self, run: str) -> None:
        for session in self.sessions.values():
            session.cancel_run(run)

    async def _work(self) -> None:
        while True:
            try:
                await self._deal()
            except DatabaseError as error:
                log.warning("agents_wait_for_database", error=type(error).__name__)
            except Exception:
                log.exception("agents_not_served")
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._hint.wait()
            except TimeoutError:
                continue

    async def _deal(self) -> None:
        """Give out what is queued for the teams that were named, and send what was given to agents of this process."""
        self._hint.clear()
        teams, self._teams = self._teams, set()
        given: set[UUID] = set()
        for team in teams:
            given |= await in_database(assignments.hand_out, team)
        if others := given - set(self.sessions):
            live.tell_workers({"given": [str(agent) for agent in others]})
        for one in await in_database(assignments.collect, list(self.sessions)):
            if one.agent_id is not None and one.agent_id in self.sessions:
                self.sessions[one.agent_id].give(one)


_gateways: WeakKeyDictionary[asyncio.AbstractEventLoop, Gateway] = WeakKeyDictionary()


def gateway() -> Gateway:
    """Return the gateway of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _gateways:
        _gateways[loop] = Gateway()
    return _gateways[loop]
