"""Which of several places takes the next call: strategies over connections and keys, and what they go by. Pure.

What a process has measured is its own: with power-of-two choices that is enough to keep processes from all running to
the same place, and a call costs no look into a store.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ROUND_ROBIN, WEIGHTED, LATENCY, RESOURCE, HASH = STRATEGIES = (
    "round_robin",
    "weighted",
    "latency",
    "resource",
    "hash",
)
HALF_LIFE = 30.0
"""Seconds after which a measured latency counts half."""
PENALTY = 2.0
"""A call that failed counts as one that took so many times longer, and a second more."""
MOST_METERS = 5_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that can take a call; one of weight 2 gets twice the calls of one of weight 1."""

    id: str
    weight: float = 1.0


@dataclass(slots=True)
class Meter:
    """What is known of a place: calls under way, seconds to the first word, and its turn in the round."""

    in_flight: int = 0
    latency: float = 0.0
    measured_at: float = -math.inf
    turn: float = 0.0

    def begin(self) -> None:
        """Note a call that begins."""
        self.in_flight += 1

    def end(self) -> None:
        """Note a call that is over."""
        self.in_flight = max(0, self.in_flight - 1)

    def measure(self, seconds: float, now: float, *, has_failed: bool = False) -> None:
        """Note how long the first word took; what failed counts as slower."""
        sample = max(seconds, self.latency) * PENALTY + 1.0 if has_failed else seconds
        kept = 0.0 if self.measured_at == -math.inf else 0.5 ** (max(0.0, now - self.measured_at) / HALF_LIFE)
        share = min(kept, 0.9)
        self.latency = share * self.latency + (1 - share) * sample
        self.measured_at = now

    def expected(self, now: float) -> float:
        """Return the latency to go by; it fades, so that a place that was slow is tried again some time."""
        if self.measured_at == -math.inf:
            return 0.0
        return float(self.latency * 0.5 ** (max(0.0, now - self.measured_at) / HALF_LIFE))


Meters = Mapping[str, Meter]


def in_order(
    strategy: str,
    candidates: Sequence[Candidate],
    meters: Meters,
    *,
    user: str = "",
    now: float = 0.0,
    random: Callable[[], float],
) -> list[Candidate]:
    """Return all candidates: first who takes the call, then who takes it when that one fails.

    `meters` holds one for each; round robin moves their turns on. An unknown strategy is round robin.
    """
    if len(candidates) < 2:
        return list(candidates)
    if strategy == LATENCY:
        return _by_latency(candidates, meters, now, random)
    if strategy == RESOURCE:
        return sorted(candidates, key=lambda one: ((meters[one.id].in_flight + 1) / one.weight, random()))
    if strategy == WEIGHTED:
        return sorted(candidates, key=lambda one: _race(1.0 - random(), one.weight))
    if strategy == HASH:
        return sorted(candidates, key=lambda one: _race(_unit(f"{one.id} {user}"), one.weight))
    return _in_turn(candidates, meters)


def _by_latency(
    candidates: Sequence[Candidate], meters: Meters, now: float, random: Callable[[], float]
) -> list[Candidate]:
    """Put the better of two that chance picks first, and the others behind them by latency."""
    drawn = sorted(candidates, key=lambda one: _race(1.0 - random(), one.weight))
    by_latency = sorted(drawn, key=lambda one: _load(meters[one.id], now))
    first = min(drawn[:2], key=lambda one: _load(meters[one.id], now))
    return [first, *(one for one in by_latency if one is not first)]


def _load(meter: Meter, now: float) -> float:
    return meter.expected(now) * (meter.in_flight + 1)


def _in_turn(candidates: Sequence[Candidate], meters: Meters) -> list[Candidate]:
    """Take turns by weight, smoothly: each gains its weight, whoever has most goes and pays the sum of all."""
    for one in candidates:
        meters[one.id].turn += one.weight
    found = sorted(candidates, key=lambda one: -meters[one.id].turn)
    meters[found[0].id].turn -= sum(one.weight for one in candidates)
    return found


def _race(chance: float, weight: float) -> float:
    """Return a time to arrive: whoever has weight w comes first with probability w / sum of weights."""
    return -math.log(max(chance, 1e-12)) / weight


def _unit(text: str) -> float:
    """Return a number in (0, 1] by a text, the same in every process."""
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) + 1) / 2**64


def reason(strategy: str, chosen: Candidate, meters: Meters, now: float) -> str:
    """Return in a few words why a strategy has put a candidate first."""
    meter = meters[chosen.id]
    if strategy == LATENCY:
        return f"lowest latency of two, about {1000 * meter.expected(now):.0f} ms"
    if strategy == RESOURCE:
        return f"least under way, {meter.in_flight}"
    return {HASH: "the user's own place", WEIGHTED: "by chance and weight"}.get(strategy, "its turn")
