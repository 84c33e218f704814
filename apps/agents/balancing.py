"""Spreading calls over the keys of a connection and the members of a group, by what this process has measured."""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from orchestra.llm.balance import MOST_METERS, Candidate, Meter, in_order, reason


class MeterBook:
    """Meters by place, used from several threads; those that were not used for longest are forgotten."""

    def __init__(self) -> None:
        self._meters: OrderedDict[str, Meter] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, place: str) -> Meter:
        """Return the meter of a place."""
        with self._lock:
            meter = self._meters.setdefault(place, Meter())
            self._meters.move_to_end(place)
            if len(self._meters) > MOST_METERS:
                self._meters.popitem(last=False)
            return meter

    def order(self, strategy: str, candidates: Sequence[Candidate], user: str) -> tuple[list[Candidate], str]:
        """Return the candidates in the order of a strategy, and why the first one is the first."""
        meters = {one.id: self.of(one.id) for one in candidates}
        now = time.monotonic()
        with self._lock:
            found = in_order(strategy, candidates, meters, user=user, now=now, random=random.random)
        return found, reason(strategy, found[0], meters, now) if len(found) > 1 else ""

    def begin(self, places: Sequence[str]) -> None:
        """Note a call that begins."""
        for place in places:
            self.of(place).begin()

    def measure(self, places: Sequence[str], seconds: float, *, has_failed: bool = False) -> None:
        """Note how long the first word took."""
        for place in places:
            self.of(place).measure(seconds, time.monotonic(), has_failed=has_failed)

    def end(self, places: Sequence[str]) -> None:
        """Note a call that is over."""
        for place in places:
            self.of(place).end()


METERS = MeterBook()
"""Those of this process."""
