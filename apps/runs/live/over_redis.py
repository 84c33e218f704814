"""Live messages over Redis pub/sub, and the texts so far in Redis lists: the publishing side.

A kept text is a list of pieces, each `<index> <text>`; its first piece may hold several (a text written
anew). The index makes a piece that a broken connection sent twice harmless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from apps.runs.live.wire import KeptText, Piece, TextKey, delta_of, encode, run_topic
from orchestra.errors import Unavailable

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 0.4
ANSWER_SECONDS = 0.5
"""With one retry of a broken connection (not of a silent one), a call ends within a second."""
PAUSE_SECONDS = 1.0
"""After a failure nothing is tried for this long, so that an outage costs the callers little."""
KEEP_SECONDS = 3600
LISTEN_SECONDS = 1.0
MAX_CONNECTIONS = 64


class OverRedis:
    """The publishing side over Redis; thread-safe."""

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            max_connections=MAX_CONNECTIONS,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            protocol=2,
        )
        self.names = Names(self._redis.connection_pool.connection_kwargs.get("db") or 0)
        self._url = url
        self._closed_until = 0.0

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        commands: list[tuple[Any, ...]] = [
            ("PUBLISH", self.names.channel(topic), raw) for topic, raw in messages
        ]
        self._send(commands)

    def add_text(self, pieces: Sequence[Piece]) -> list[bool]:
        commands: list[tuple[Any, ...]] = []
        places = []
        for piece in pieces:
            places.append(len(commands) + (piece.whole is not None))
            commands += self._keep(piece)
            channel = self.names.channel(run_topic(piece.key.run_id))
            commands.append(("PUBLISH", channel, encode(delta_of(piece))))
        answers = self._send(commands)
        return [bool(answers[place]) for place in places]

    def _keep(self, piece: Piece) -> list[tuple[Any, ...]]:
        text, index = self.names.text(piece.key), self.names.texts(piece.key.run_id)
        if piece.whole is None:
            return [("RPUSHX", text, _entry(piece.index, piece.text))]
        return [
            ("DEL", text),
            ("RPUSH", text, _entry(piece.index, piece.whole)),
            ("EXPIRE", text, KEEP_SECONDS),
            ("SADD", index, field_of(piece.key)),
            ("EXPIRE", index, KEEP_SECONDS),
        ]

    def forget_texts(self, keys: Sequence[TextKey]) -> None:
        commands: list[tuple[Any, ...]] = []
        for key in keys:
            commands.append(("DEL", self.names.text(key)))
            commands.append(("SREM", self.names.texts(key.run_id), field_of(key)))
        self._send(commands)

    def texts(self, run_id: str) -> list[KeptText]:
        fields = sorted(self._send([("SMEMBERS", self.names.texts(run_id))])[0])
        keys = [key_of(run_id, field) for field in fields]
        found = self._send([("LRANGE", self.names.text(key), 0, -1) for key in keys])
        kept = [kept_text(key, entries) for key, entries in zip(keys, found, strict=True)]
        return [text for text in kept if text.index]

    def tell_workers(self, message: bytes) -> None:
        self._send([("PUBLISH", self.names.control, message)])

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one round trip. Raises Unavailable, at once for a second after a failure."""
        if not commands:
            return []
        if time.monotonic() < self._closed_until:
            raise Unavailable("Redis did not answer a moment ago.")
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            answers: list[Any] = pipeline.execute()
        except RedisError as error:
            self._closed_until = time.monotonic() + PAUSE_SECONDS
            raise Unavailable(f"Redis cannot be reached: {error}") from error
        return answers

    def listen_for_workers(self, hear: Callable[[bytes], None]) -> Callable[[], None]:
        stopped = threading.Event()

        def listen() -> None:
            while not stopped.is_set():
                try:
                    self._listen(hear, stopped)
                except RedisError as error:
                    log.info("control_channel_lost", error=str(error)[:200])
                    stopped.wait(PAUSE_SECONDS)

        threading.Thread(target=listen, name="live-control", daemon=True).start()
        return stopped.set

    def _listen(self, hear: Callable[[bytes], None], stopped: threading.Event) -> None:
        client: Any = redis.Redis.from_url(
            self._url,
            socket_timeout=30,
            socket_connect_timeout=5,
            health_check_interval=10,
            max_connections=4,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        with client, client.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(self.names.control)
            while not stopped.is_set():
                message = subscription.get_message(timeout=LISTEN_SECONDS)
                if message is not None and message["type"] == "message":
                    hear(message["data"])


class Names:
    """Channels and keys; pub/sub knows no databases, so the channels carry the database's number."""

    def __init__(self, database: int) -> None:
        self._prefix = f"orchestra:{database}:live"
        self.control = f"{self._prefix}:control"
        self._channel = f"{self._prefix}:topic:"

    def channel(self, topic: str) -> str:
        return self._channel + topic

    def topic(self, channel: bytes) -> str:
        return channel.decode().removeprefix(self._channel)

    def texts(self, run_id: str) -> str:
        """The key of the set of a run's texts."""
        return f"{self._prefix}:texts:{run_id}"

    def text(self, key: TextKey) -> str:
        return f"{self._prefix}:text:{key.run_id}:{field_of(key)}"


def field_of(key: TextKey) -> str:
    return f"{key.attempt}:{key.path}"


def key_of(run_id: str, field: bytes) -> TextKey:
    attempt, _, path = field.decode().partition(":")
    return TextKey(run_id, path, int(attempt))


def _entry(index: int, text: str) -> bytes:
    return f"{index} {text}".encode(errors="replace")


def kept_text(key: TextKey, entries: Sequence[bytes]) -> KeptText:
    """Put a kept text together; an entry that came twice counts once."""
    parts, last = [], 0
    for entry in entries:
        index, _, text = entry.decode().partition(" ")
        if int(index) > last:
            last = int(index)
            parts.append(text)
    return KeptText(key, last, "".join(parts))
