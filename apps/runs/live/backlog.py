"""Encoded stretches of logs, shared by readers who join at the same time: what is logged never changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from apps.runs.live.database import in_database
from apps.runs.live.frames import Frame
from apps.runs.live.rows import read_events

STRETCH = 250
"""Events of one stretch, and so the most that one read takes from the log."""
STRETCHES = 64


class Backlog:
    """The latest stretches read, one query for any number of readers who wait for the same one."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int, int], asyncio.Future[list[Frame]]] = OrderedDict()

    async def after(self, run_id: str, seq: int, upto: int) -> list[Frame]:
        """Return the next events of a run after `seq`, to the end of their stretch or `upto` at most."""
        start = seq - seq % STRETCH
        key = (run_id, start, min(start + STRETCH, upto))
        frames = await asyncio.shield(self._stretch(key))
        return [frame for frame in frames if frame.seq > seq]

    def _stretch(self, key: tuple[str, int, int]) -> asyncio.Future[list[Frame]]:
        known = self._known.get(key)
        if known is not None and not _has_failed(known):
            self._known.move_to_end(key)
            return known
        self._known[key] = asyncio.ensure_future(in_database(read_events, *key))
        if len(self._known) > STRETCHES:
            self._known.popitem(last=False)
        return self._known[key]


def _has_failed(reading: asyncio.Future[list[Frame]]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
