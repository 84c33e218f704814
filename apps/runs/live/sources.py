"""Where a hub gets its messages from: this process, or Redis. The database alone is what is left without both."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
from django.conf import settings
from redis.asyncio import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apps.runs.live.drivers import in_process
from apps.runs.live.in_process import InProcess
from apps.runs.live.over_redis import Names, kept_text, key_of
from apps.runs.live.wire import KeptText

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 2.0
PING_SECONDS = 3.0
SILENCE_SECONDS = 8.0
"""A connection that is silent for this long, pings included, is taken for dead."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
BATCH = 500


class Listener(Protocol):
    """What a source tells: the hub."""

    def receive(self, topic: str, raw: bytes) -> None:
        """A message of a topic has come."""

    def confirmed(self, topic: str) -> None:
        """From now on every message of this topic comes; what was before may have been missed."""

    def link_changed(self) -> None:
        """`is_connected` has changed."""


class Source(Protocol):
    """The reading side of a driver, in one event loop."""

    @property
    def is_connected(self) -> bool:
        """Whether messages come by themselves; while not, the rows have to be asked."""

    def open(self, listener: Listener) -> None:
        """Begin to deliver."""

    async def close(self) -> None:
        """Stop delivering; may be opened again."""

    def subscribe(self, topic: str) -> None:
        """Deliver a topic."""

    def unsubscribe(self, topic: str) -> None:
        """Deliver a topic no longer."""

    async def texts(self, run_id: str) -> Sequence[KeptText]:
        """Return the texts so far that are kept of a run; empty when they cannot be read."""


def source() -> Source:
    """Return a new source for what the settings ask."""
    if settings.REDIS_URL:
        return RedisSource(settings.REDIS_URL)
    return LocalSource(in_process(), hears_all=settings.BROKER_URL.startswith("memory:"))


class LocalSource:
    """Messages of this process. Where workers are other processes (`hears_all` false), the rows are asked too."""

    def __init__(self, bus: InProcess, *, hears_all: bool = True) -> None:
        self.is_connected = hears_all
        self._bus = bus
        self._topics: set[str] = set()
        self._listener: Listener | None = None
        self._detach: Callable[[], None] | None = None

    def open(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()

        def receive(messages: Sequence[tuple[str, bytes]]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._deliver, messages)

        self._listener = listener
        self._detach = self._bus.attach(receive)

    async def close(self) -> None:
        if self._detach is not None:
            self._detach()
        self._detach = self._listener = None

    def subscribe(self, topic: str) -> None:
        self._topics.add(topic)
        if self._listener is not None:
            self._listener.confirmed(topic)

    def unsubscribe(self, topic: str) -> None:
        self._topics.discard(topic)

    async def texts(self, run_id: str) -> Sequence[KeptText]:
        return self._bus.texts(run_id)

    def _deliver(self, messages: Sequence[tuple[str, bytes]]) -> None:
        if self._listener is None:
            return
        for topic, raw in messages:
            if topic in self._topics:
                self._listener.receive(topic, raw)


class RedisSource:
    """One pub/sub connection, kept by itself: what is wanted and what is subscribed are compared after every change
    and every reconnect, so no topic is forgotten in between."""

    def __init__(self, url: str) -> None:
        self.is_connected = False
        self._wanted: set[str] = set()
        self._confirmed: set[str] = set()
        self._listener: Listener | None = None
        self._changed = asyncio.Event()
        self._keeping: asyncio.Future[None] | None = None
        self._url = url
        self._redis: Any = None

    def open(self, listener: Listener) -> None:
        self._listener = listener
        pool: Any = ConnectionPool.from_url(
            self._url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
            max_connections=8,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis = Redis(connection_pool=pool)
        self._names = Names(pool.connection_kwargs.get("db") or 0)
        self._keeping = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            await self._redis.aclose()
            await self._redis.connection_pool.disconnect()
        self._keeping = self._listener = None

    def subscribe(self, topic: str) -> None:
        self._wanted.add(topic)
        if topic in self._confirmed and self._listener is not None:
            self._listener.confirmed(topic)
        self._changed.set()

    def unsubscribe(self, topic: str) -> None:
        self._wanted.discard(topic)
        self._changed.set()

    async def texts(self, run_id: str) -> Sequence[KeptText]:
        if not self.is_connected:
            return []
        try:
            fields = sorted(await self._redis.smembers(self._names.texts(run_id)))
            keys = [key_of(run_id, field) for field in fields]
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                pipeline.lrange(self._names.text(key), 0, -1)
            kept = [
                kept_text(key, entries) for key, entries in zip(keys, await pipeline.execute(), strict=True)
            ]
        except (RedisError, OSError) as error:
            log.info("kept_texts_unreadable", error=repr(error)[:200])
            return []
        return [text for text in kept if text.index]

    async def _keep(self) -> None:
        """Connect, deliver until the connection breaks, and so on."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            connection = self._make_connection()
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.connect()
                self._link(True)
                pause = FIRST_PAUSE_SECONDS
                await self._deliver(connection)
            except (RedisError, OSError, TimeoutError) as error:
                log.info("live_link_lost", error=repr(error)[:200])
            finally:
                self._link(False)
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (spreads reconnects, hides nothing)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _make_connection(self) -> Any:
        """Return a connection without a time limit of its own, which redis-py would enforce with `wait_for`:
        before Python 3.12 that loses a cancellation that comes with the result."""
        pool = self._redis.connection_pool
        return pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})

    def _link(self, is_connected: bool) -> None:
        self._confirmed.clear()
        if is_connected != self.is_connected:
            self.is_connected = is_connected
            if self._listener is not None:
                self._listener.link_changed()

    async def _deliver(self, connection: Any) -> None:
        """Read until the connection breaks, subscribing beside it."""
        subscribing = asyncio.ensure_future(self._subscribe(connection))
        reading = asyncio.ensure_future(self._read(connection))
        try:
            done, _ = await asyncio.wait({subscribing, reading}, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            subscribing.cancel()
            reading.cancel()
            await asyncio.gather(subscribing, reading, return_exceptions=True)

    async def _subscribe(self, connection: Any) -> None:
        """Make what is subscribed equal to what is wanted, after every change; ping in between."""
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            new, old = self._wanted - subscribed, subscribed - self._wanted
            self._confirmed -= old
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._command(connection, "UNSUBSCRIBE", old)
                await self._command(connection, "SUBSCRIBE", new)
            subscribed = subscribed - old | new
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._changed.wait()
            if not self._changed.is_set():
                async with asyncio.timeout(SILENCE_SECONDS):
                    await connection.send_command("PING", check_health=False)

    async def _command(self, connection: Any, name: str, topics: set[str]) -> None:
        channels = [self._names.channel(topic) for topic in topics]
        for start in range(0, len(channels), BATCH):
            await connection.send_command(name, *channels[start : start + BATCH], check_health=False)

    async def _read(self, connection: Any) -> None:
        while self._listener is not None:
            answer = await connection.read_response(timeout=SILENCE_SECONDS, disconnect_on_error=False)
            if answer is None:
                raise TimeoutError("Redis is silent.")
            if isinstance(answer, list) and len(answer) == 3:
                self._answer(*answer)

    def _answer(self, kind: bytes, channel: bytes, content: Any) -> None:
        topic = self._names.topic(channel)
        if self._listener is None:
            return
        if kind == b"message":
            self._listener.receive(topic, content)
        elif kind == b"subscribe":
            self._confirmed.add(topic)
            self._listener.confirmed(topic)
