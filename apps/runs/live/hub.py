"""The hub: what one server process follows for all of its readers, each topic once.

Messages are hints and the rows are the truth: a topic that starts, a driver that comes back and a check every few
seconds all end in reading the log from where the topic is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakKeyDictionary

import structlog

from apps.runs.live import rows
from apps.runs.live.backlog import Backlog
from apps.runs.live.database import in_database
from apps.runs.live.gate import before_shutdown
from apps.runs.live.readers import Cursor, Reader, RunCursor, TeamCursor
from apps.runs.live.sources import Source, source
from apps.runs.live.topics import ApprovalsTopic, RunTopic, TeamTopic, Topic
from orchestra.errors import Unavailable

T = TypeVar("T", RunTopic, TeamTopic)

log = structlog.get_logger(__name__)

READY_SECONDS = 5.0
CHECK_SECONDS = 5.0
"""How often the ends of the followed logs are compared with what was told, while the driver delivers."""
POLL_SECONDS = 0.5
"""The same while it does not."""
SHUTDOWN = "shutdown"
PATIENCE_SECONDS = 2.0
"""Readers are told that they get events late when the driver has been away for this long."""


class Hub:
    """Topics and readers of one event loop. Runs while it has readers."""

    def __init__(self, make_source: Callable[[], Source] = source) -> None:
        self.topics: dict[str, Topic] = {}
        self.readers: set[Reader] = set()
        self.is_delayed = False
        """Whether events come by asking for them every half second, and texts not at all."""
        self._make_source = make_source
        self._source: Source | None = None
        self._backlog = Backlog()
        self._is_announced = False
        self._link = asyncio.Event()
        self._watching: asyncio.Future[None] | None = None

    def open(self) -> Reader:
        """Return a new reader, which `leave` must end."""
        if self._source is None:
            self._source = self._make_source()
            self._source.open(self)
            self._watching = asyncio.ensure_future(self._watch(self._source))
        if not self._is_announced:
            self._is_announced = True
            before_shutdown(self._say_goodbye)
        reader = Reader()
        self.readers.add(reader)
        return reader

    async def follow_run(self, reader: Reader, name: str, after: int) -> Cursor:
        """Follow a run after event `after`. Raises Unavailable when the database does not answer."""
        with self._held(name, RunTopic) as topic:
            await _ready(topic)
            if after > topic.seq:
                topic.refresh()
                await _ready(topic)
            return _add(reader, RunCursor(topic, reader, self._backlog, after))

    async def follow_team(self, reader: Reader, name: str, after: int | None) -> Cursor:
        """Follow a team's run or approval events, from now on or after a mark. Raises as `follow_run` does."""
        kind = ApprovalsTopic if name.startswith("approvals:") else TeamTopic
        with self._held(name, kind) as topic:
            await _ready(topic)
            return _add(reader, TeamCursor(topic, reader, after))

    def unfollow(self, reader: Reader, name: str) -> None:
        """Follow a topic no longer."""
        cursor = reader.cursors.pop(name, None)
        if cursor is not None:
            cursor.topic.cursors.discard(cursor)
            self._drop_unread(cursor.topic)

    async def leave(self, reader: Reader) -> None:
        """End a reader; the last one out ends the hub's own work."""
        for name in list(reader.cursors):
            self.unfollow(reader, name)
        self.readers.discard(reader)
        if self.readers or self._source is None or self._watching is None:
            return
        left, self._source = self._source, None
        self._watching.cancel()
        self._watching = None
        await left.close()

    def receive(self, topic: str, raw: bytes) -> None:
        if topic in self.topics:
            self.topics[topic].receive(raw)

    def confirmed(self, topic: str) -> None:
        if topic in self.topics:
            self.topics[topic].confirmed()

    def link_changed(self) -> None:
        self._link.set()

    def _say_goodbye(self) -> None:
        for reader in self.readers:
            reader.close(SHUTDOWN)

    async def check(self) -> None:
        """Compare every topic with the rows; whatever is behind reads them."""
        runs = {topic.id: topic for topic in self.topics.values() if isinstance(topic, RunTopic)}
        heads = await in_database(rows.read_heads, list(runs))
        for run_id, topic in runs.items():
            if heads.get(run_id, topic.seq + 1) > topic.seq:
                topic.refresh()
        for team in [topic for topic in self.topics.values() if isinstance(topic, TeamTopic)]:
            team.refresh()

    async def _watch(self, from_: Source) -> None:
        loop = asyncio.get_running_loop()
        lost_at = loop.time()
        while True:
            self._link.clear()
            try:
                async with asyncio.timeout(CHECK_SECONDS if from_.is_connected else POLL_SECONDS):
                    await self._link.wait()
            except TimeoutError:
                await self._check_or_complain()
            if from_.is_connected:
                lost_at = loop.time()
            self._tell_delay(loop.time() - lost_at > PATIENCE_SECONDS)

    def _tell_delay(self, is_delayed: bool) -> None:
        if is_delayed != self.is_delayed:
            self.is_delayed = is_delayed
            for reader in self.readers:
                reader.rouse()

    async def _check_or_complain(self) -> None:
        try:
            await self.check()
        except Exception as error:
            log.warning("live_check_failed", error=repr(error)[:200])

    @contextmanager
    def _held(self, name: str, kind: type[T]) -> Iterator[T]:
        """Give a topic, made when nobody follows it yet; it stays at least until the block ends."""
        assert self._source is not None  # noqa: S101 (a reader is open)
        topic = self.topics.get(name)
        if not isinstance(topic, kind):
            topic = self.topics[name] = kind(name, self._source)
            topic.refresh()
            self._source.subscribe(name)
        topic.waiting += 1
        try:
            yield topic
        finally:
            topic.waiting -= 1
            self._drop_unread(topic)

    def _drop_unread(self, topic: Topic) -> None:
        if topic.cursors or topic.waiting or self.topics.get(topic.name) is not topic:
            return
        del self.topics[topic.name]
        topic.close()
        if self._source is not None:
            self._source.unsubscribe(topic.name)


async def _ready(topic: Topic) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await topic.ready()
    except TimeoutError as error:
        raise Unavailable("The database does not answer.") from error


def _add(reader: Reader, cursor: Cursor) -> Cursor:
    reader.cursors[cursor.topic.name] = cursor
    cursor.topic.cursors.add(cursor)
    cursor.wake()
    return cursor


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
