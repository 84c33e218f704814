"""Encoded stretches of logs, shared by readers who join at the same time: what is logged never changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from apps.runs.live.database import in_database
from apps.runs.live.frames import Frame
from apps.runs.live.rows import read_events

STRETCH = 250
"""Events of one stretch, and so the most that one read takes from the log."""
READ_BYTES = 1024 * 1024
"""The most that one read takes otherwise, but for a single event that is larger."""
KEPT_BYTES = 16 * 1024 * 1024
KEPT_STRETCHES = 64

Key = tuple[str, int, int]


class Backlog:
    """The latest stretches read, one query for any number of readers who wait for the same one."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, asyncio.Future[list[Frame]]] = OrderedDict()
        self._sizes: dict[Key, int] = {}

    async def after(self, run_id: str, seq: int, upto: int) -> list[Frame]:
        """Return the next events of a run after `seq`, to the end of their stretch or `upto` at most."""
        start = seq - seq % STRETCH
        key = (run_id, start, min(start + STRETCH, upto))
        frames = await asyncio.shield(self._stretch(key))
        if key in self._known:
            self._sizes[key] = sum(len(frame.json) for frame in frames)
            self._trim()
        return _at_most([frame for frame in frames if frame.seq > seq])

    def _stretch(self, key: Key) -> asyncio.Future[list[Frame]]:
        known = self._known.get(key)
        if known is None or _has_failed(known):
            self._known[key] = known = asyncio.ensure_future(in_database(read_events, *key))
        self._known.move_to_end(key)
        return known

    def _trim(self) -> None:
        while len(self._known) > KEPT_STRETCHES or (
            sum(self._sizes.values()) > KEPT_BYTES and len(self._known) > 1
        ):
            key, _ = self._known.popitem(last=False)
            self._sizes.pop(key, None)


def _at_most(frames: list[Frame]) -> list[Frame]:
    size = 0
    for count, frame in enumerate(frames):
        size += len(frame.json)
        if size > READ_BYTES:
            return frames[: max(1, count)]
    return frames


def _has_failed(reading: asyncio.Future[list[Frame]]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
