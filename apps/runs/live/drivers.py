"""What carries live messages between processes: Redis where it is configured, else this process alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from django.conf import settings

from apps.runs.live.in_process import InProcess
from apps.runs.live.over_redis import OverRedis
from apps.runs.live.wire import KeptText, Piece, TextKey


class Driver(Protocol):
    """The publishing side of a driver; every method raises when the message cannot be carried."""

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send (topic, message) pairs in this order, in one round trip."""

    def add_text(self, pieces: Sequence[Piece]) -> list[bool]:
        """Keep and publish pieces of texts; False where the text so far is gone and must be written anew."""

    def forget_texts(self, keys: Sequence[TextKey]) -> None:
        """Drop kept texts."""

    def texts(self, run_id: str) -> Sequence[KeptText]:
        """Return the texts so far that are kept of a run."""

    def tell_workers(self, message: bytes) -> None:
        """Send a message to every worker."""

    def listen_for_workers(self, hear: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `hear` in a background thread for every message to the workers; return what ends that."""


def driver() -> Driver:
    """Return the driver that the settings ask for, one per process."""
    return _driver(settings.REDIS_URL, os.getpid())


@lru_cache(maxsize=4)
def _driver(url: str, _pid: int) -> Driver:
    return OverRedis(url) if url else in_process()


@lru_cache(maxsize=1)
def in_process() -> InProcess:
    """Return this process's own bus."""
    return InProcess()
