"""What one connected agent and this installation say to each other, whatever carries it.

Messages are JSON objects with a `type`. The agent says `hello`, `beat`, `progress`, `text`, `done`, `failed`, `nack`;
it hears `welcome`, `assignment`, `cancel`, `ack`, `beat`, `error`. docs/agents.md has them in full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.agents.actions import note_gone, note_sign_of_life
from apps.agents.models import Agent
from apps.runs.actions import assignments
from apps.runs.assignments import Assignment
from apps.runs.live.database import in_database
from apps.runs.live.texts import TextStreams

BEATS_PER_LEASE = 3
MOST_HELD = 10_000
TEXT_CHARACTERS = 64 * 1024
Message = Mapping[str, Any]


class BadMessage(Exception):
    """The agent has said something that makes no sense; the message tells what."""


class AgentSession:
    """One agent while it is connected. `outbox` holds what it is to be told; None ends the connection."""

    def __init__(self, agent: Agent, transport: str, texts: TextStreams) -> None:
        self.agent = agent
        self.transport = transport
        self.outbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.closed_because = ""
        self._seen_at: datetime | None = None
        self._texts = texts
        self._known: dict[UUID, Assignment] = {}
        """What was sent over this connection, or named by the agent as held: where texts belong."""
        self._answers: Mapping[str, Callable[[Message], Any]] = {
            "hello": self._hello,
            "beat": self._beat,
            "progress": self._progress,
            "text": self._text,
            "done": self._done,
            "failed": self._failed,
            "nack": self._nack,
        }

    async def hear(self, message: Message) -> None:
        """Take a message of the agent; what it is answered goes to the outbox."""
        answer = self._answers.get(str(message.get("type")))
        try:
            if answer is None:
                raise BadMessage(f"A message's type is one of: {', '.join(self._answers)}.")
            await answer(message)
        except BadMessage as error:
            self.say(type="error", message=str(error), about=str(message.get("id") or "")[:40])

    def say(self, **message: Any) -> None:
        self.outbox.put_nowait(message)

    def give(self, assignment: Assignment) -> None:
        """Send an assignment to the agent."""
        self._known[assignment.pk] = assignment
        if assignment.fence > 1:  # what an agent before has written is not continued
            self._texts.end(str(assignment.run_id), assignment.path, assignment.attempt)
        self.say(
            type="assignment",
            id=str(assignment.pk),
            fence=assignment.fence,
            run=str(assignment.run_id),
            path=assignment.path,
            attempt=assignment.attempt,
            priority=assignment.priority,
            timeout=assignment.timeout_seconds,
            idempotency_key=f"{assignment.run_id}/{assignment.path}",
            payload=assignment.payload,
        )

    def cancel_run(self, run: str) -> None:
        """Tell the agent to stop what it does for a run that has ended."""
        for one in [one for one in self._known.values() if str(one.run_id) == run]:
            self._cancel(one.pk)

    def close(self, because: str) -> None:
        """End the connection."""
        self.closed_because = self.closed_because or because
        self.outbox.put_nowait(None)

    def _cancel(self, pk: UUID) -> None:
        self._known.pop(pk, None)
        self.say(type="cancel", id=str(pk))

    async def _hello(self, message: Message) -> None:
        held = _held_list(message)
        await in_database(self._note_life, message)
        lost = await in_database(assignments.renew, self.agent, held)
        await in_database(assignments.send_again, self.agent, held)
        kept = [pk for pk, _fence in held if pk not in lost]
        self._known |= await in_database(_by_id, kept)
        lease = settings.ORCHESTRA_AGENT_LEASE_SECONDS
        self.say(
            type="welcome",
            agent=self.agent.slug,
            lease_seconds=lease,
            beat_seconds=lease / BEATS_PER_LEASE,
        )
        for pk in lost:
            self._cancel(pk)

    async def _beat(self, message: Message) -> None:
        if not await in_database(self._note_life, message):
            self.close("disabled")
            return
        for pk in await in_database(assignments.renew, self.agent, _held_list(message)):
            self._cancel(pk)
        self.say(type="beat")

    def _note_life(self, message: Message) -> bool:
        """Write the sign of life; False when the agent is no longer let in, or has registered anew."""
        same = Agent.objects.filter(
            pk=self.agent.pk, is_enabled=True, presence__prefix=self.agent.presence.prefix
        )
        if not same.exists():
            return False
        self._seen_at = note_sign_of_life(agent=self.agent, transport=self.transport, report=message)
        return True

    async def note_gone(self) -> None:
        """Let the agent be offline at once, unless it has connected anew since."""
        if self._seen_at is not None:
            await in_database(note_gone, agent=self.agent, last_seen_at=self._seen_at)

    async def _progress(self, message: Message) -> None:
        share, note = message.get("share"), message.get("note")
        is_share = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
        held, text = _held(message), note if isinstance(note, str) else ""
        kept = await in_database(
            assignments.note_progress, self.agent, held, share=share if is_share else None, note=text
        )
        if not kept:
            self._cancel(held[0])

    async def _text(self, message: Message) -> None:
        pk, fence = _held(message)
        text, known = message.get("text"), self._known.get(pk)
        if not isinstance(text, str) or len(text) > TEXT_CHARACTERS:
            raise BadMessage(f"`text` is a text of at most {TEXT_CHARACTERS:,} characters.")
        if known is not None and known.fence == fence:
            self._texts.add(str(known.run_id), known.path, known.attempt, text)

    async def _done(self, message: Message) -> None:
        await self._end(message, output=message.get("output"))

    async def _failed(self, message: Message) -> None:
        error = message.get("error")
        await self._end(message, error=error if isinstance(error, Mapping) else {"message": str(error or "")})

    async def _end(self, message: Message, **how: Any) -> None:
        held, usage = _held(message), message.get("usage")
        if (known := self._known.pop(held[0], None)) is not None:
            await asyncio.to_thread(self._texts.end, str(known.run_id), known.path, known.attempt)
        usage = usage if isinstance(usage, Mapping) else None
        accepted = await in_database(assignments.end_assignment, self.agent, held, usage=usage, **how)
        self.say(type="ack", id=str(held[0]), accepted=accepted)

    async def _nack(self, message: Message) -> None:
        held = _held(message)
        self._known.pop(held[0], None)
        accepted = await in_database(assignments.give_back, self.agent, held)
        self.say(type="ack", id=str(held[0]), accepted=accepted)


def _held(message: Message) -> assignments.Held:
    """Return which assignment a message is about. Raises BadMessage."""
    try:
        fence = message["fence"]
        if not isinstance(fence, int) or not 0 <= fence < 2**31:
            raise ValueError
        return UUID(str(message["id"])), fence
    except (KeyError, ValueError):
        raise BadMessage("`id` and `fence` are those of the assignment.") from None


def _held_list(message: Message) -> list[assignments.Held]:
    found = message.get("held") or []
    if not isinstance(found, list) or len(found) > MOST_HELD:
        raise BadMessage("`held` is a list of {id, fence}.")
    return [_held(one if isinstance(one, Mapping) else {}) for one in found]


def _by_id(keys: list[UUID]) -> dict[UUID, Assignment]:
    found: dict[UUID, Assignment] = Assignment.objects.defer("payload").in_bulk(keys)
    return found
