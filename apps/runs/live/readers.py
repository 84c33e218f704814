"""A connection's place in the topics that it follows: one cursor per topic, one wake-up for all of them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from apps.runs.live import rows
from apps.runs.live.backlog import Backlog
from apps.runs.live.database import in_database
from apps.runs.live.frames import Frame, frame_of
from apps.runs.live.topics import RunTopic, TeamTopic, Topic
from apps.runs.live.wire import TextKey

REPLAY_LIMIT = 2000
"""Who missed more events of a run than this is told to read its state anew instead."""
BEHIND = -1


class Cursor(ABC):
    """Where one reader is in one topic."""

    __slots__ = ("_position", "_reader", "is_done", "topic")

    def __init__(self, topic: Topic, reader: Reader) -> None:
        self.topic = topic
        self.is_done = False
        self._position = BEHIND
        self._reader = reader

    def wake(self) -> None:
        self._reader.wake(self)

    @property
    def is_behind(self) -> bool:
        return not self.is_done and self._position < self.topic.ring.tail

    @property
    def has_more(self) -> bool:
        """Whether to read again without waiting for news."""
        return self.is_behind

    @property
    @abstractmethod
    def mark(self) -> int:
        """Where to go on after a reconnect."""

    @property
    def has_nothing_more(self) -> bool:
        """Whether everything has been told before this cursor came."""
        return False

    @abstractmethod
    async def read(self) -> list[Frame]:
        """Return what comes next and move on; some of it only while `is_behind`."""

    def _step(self) -> list[Frame]:
        frames = self.topic.ring.since(self._position)
        self._position = self.topic.ring.head
        return frames


class RunCursor(Cursor):
    """In a run: after event `seq`. Behind the ring it reads the log; in step again, it gets the texts so far."""

    __slots__ = ("_backlog", "_owed", "_seq")
    topic: RunTopic

    def __init__(self, topic: RunTopic, reader: Reader, backlog: Backlog, after: int) -> None:
        super().__init__(topic, reader)
        self._seq = after
        self._backlog = backlog
        self._owed: set[TextKey] | None = None
        """Texts whose beginning this reader has not got yet: told one at a time, so that a slow client holds little."""

    @property
    def mark(self) -> int:
        return self._seq

    @property
    def has_more(self) -> bool:
        return self.is_behind or bool(self._owed and not self.is_done)

    @property
    def has_nothing_more(self) -> bool:
        return self.topic.is_over and self._seq >= self.topic.seq

    async def read(self) -> list[Frame]:
        frames = await self._catch_up() if self.is_behind else self._follow()
        if frames:
            self._seq = max(self._seq, *(frame.seq for frame in frames))
        if self.topic.is_gone or (self.topic.is_over and self._seq >= self.topic.seq and not self.is_behind):
            self.is_done = True
            frames.append(_note("end", run=self.topic.id))
        return frames

    async def _catch_up(self) -> list[Frame]:
        topic = self.topic
        if self._seq > topic.seq or topic.seq - self._seq > REPLAY_LIMIT:
            self._seq = topic.seq
            self._join()
            return [_note("reset", seq=topic.seq, run=topic.id)]
        logged = topic.ring.logged_after(self._seq) if self._seq < topic.seq else []
        if logged is not None:
            self._join()
            return logged
        frames = await self._backlog.after(topic.id, self._seq, topic.seq)
        if not frames:  # the rows are gone
            self._seq = topic.seq
            return [_note("reset", seq=topic.seq, run=topic.id)]
        return frames

    def _join(self) -> None:
        self._position = self.topic.ring.head
        self._owed = self.topic.texts() or None

    def _follow(self) -> list[Frame]:
        """Return what is new, and one text that is owed: at the ring's head it is whole, so its pieces until then
        are left out."""
        frames = self._step()
        if not self._owed:
            return frames
        frames = [frame for frame in frames if frame.text not in self._owed]
        text = self.topic.text_frame(self._owed.pop())
        self._owed = self._owed or None
        return frames if text is None else [*frames, text]


class TeamCursor(Cursor):
    """In a team's run or approval events: from now on, or after a row of the log (then some events may come twice)."""

    __slots__ = ("_after",)
    topic: TeamTopic

    def __init__(self, topic: TeamTopic, reader: Reader, after: int | None) -> None:
        super().__init__(topic, reader)
        self._after = after
        self._position = topic.ring.head

    @property
    def mark(self) -> int:
        return self.topic.mark

    async def read(self) -> list[Frame]:
        if self._after is not None:
            after, self._after = self._after, None
            events = await in_database(self.topic.read_events, [self.topic.id], after)
            if len(events) < rows.TEAM_LIMIT:
                return [event.frame for event in events] + ([] if self.is_behind else self._step())
            self._position = BEHIND
        if self.is_behind:
            self._position = self.topic.ring.head
            return [_note("reset", topic=self.topic.name)]
        return self._step()


def _note(type_: str, *, seq: int = 0, **data: object) -> Frame:
    """Return a word about the stream itself; with `seq`, one that moves the reader's place in the log."""
    return frame_of({"type": type_, **({"seq": seq} if seq else {}), **data})


class Reader:
    """What one connection follows. Belongs to one event loop."""

    __slots__ = ("__weakref__", "_ready", "_waiting", "closed_because", "cursors")

    def __init__(self) -> None:
        self.cursors: dict[str, Cursor] = {}
        self.closed_because = ""
        self._ready: dict[Cursor, None] = {}
        self._waiting: asyncio.Future[None] | None = None

    def wake(self, cursor: Cursor) -> None:
        """Have `cursor` read at the next `read`."""
        self._ready[cursor] = None
        self.rouse()

    def close(self, reason: str) -> None:
        """End the reader; `reason` goes to the client. The first reason stays."""
        self.closed_because = self.closed_because or reason
        self.rouse()

    def rouse(self) -> None:
        """End the wait now."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be something to read or the reader is closed; False after `seconds` of neither."""
        if self._ready or self.closed_because:
            return True
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiting
        except TimeoutError:
            return False
        finally:
            self._waiting = None
        return True

    async def read(self) -> list[Frame]:
        """Return what has come: at most a stretch of the log or a ring of frames per topic."""
        frames: list[Frame] = []
        ready, self._ready = self._ready, {}
        for cursor in ready:
            if self.cursors.get(cursor.topic.name) is cursor and not cursor.is_done:
                frames += await cursor.read()
                if cursor.has_more:
                    self._ready[cursor] = None
        return frames
