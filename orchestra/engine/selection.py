"""Which of the agents that can do something does it: strategies over figures, with the reason in words."""

from __future__ import annotations

import random as standard_random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

BALANCED = "balanced"
ASSUMED_SECONDS = 1.0
"""Latency of an agent that has done nothing yet: as good as most, so that it gets something to do."""
LOWEST_SUCCESS = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that can do what is asked, and how it stands."""

    id: str
    slug: str
    kind: str
    running: int = 0
    slots: int = 1
    latency: float | None = None
    """Seconds that it takes as a rule; None: nothing is known yet."""
    success: float = 1.0
    """Share of what it was given that it did, 0 to 1."""
    idle_since: float = 0.0
    """Unix time at which it was last given something; 0: never."""

    @property
    def load(self) -> float:
        return self.running / max(1, self.slots)

    @property
    def cost(self) -> float:
        """What is expected of waiting for it: latency over success, more the busier it is."""
        return (
            (self.latency or ASSUMED_SECONDS)
            / max(LOWEST_SUCCESS, self.success)
            * (1 + self.running)
            / max(1, self.slots)
        )


Rank = Callable[[Candidate], float]

STRATEGIES: Mapping[str, tuple[Rank, str]] = MappingProxyType(
    {
        BALANCED: (lambda one: one.cost, "the least expected wait"),
        "least_busy": (lambda one: one.load, "the lowest load"),
        "fastest": (lambda one: one.latency or ASSUMED_SECONDS, "the lowest latency"),
        "reliable": (lambda one: -one.success, "the highest success"),
        "round_robin": (lambda one: one.idle_since, "the longest time without work"),
        "random": (lambda one: 0.0, "chance"),
    }
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who was chosen and why: `{agent, kind, strategy, reason, considered}` as JSON."""

    candidate: Candidate
    strategy: str
    considered: int

    def as_json(self) -> dict[str, Any]:
        one = self.candidate
        latency = "no latency known" if one.latency is None else f"{one.latency:.2f} s"
        figures = f"{one.running} of {one.slots} at work, {latency}, {one.success:.0%} done"
        of_many = (
            f"of {self.considered} that can do this and are free"
            if self.considered > 1
            else "the only one free"
        )
        return {
            "agent": one.slug,
            "kind": one.kind,
            "strategy": self.strategy,
            "reason": f"{STRATEGIES[self.strategy][1]} ({of_many}): {figures}",
            "considered": self.considered,
        }


def choose(
    candidates: Sequence[Candidate],
    strategy: str = BALANCED,
    random: Callable[[], float] = standard_random.random,
) -> Choice | None:
    """Return the best by a strategy, of equals one by chance; None when there is none."""
    if not candidates:
        return None
    rank = STRATEGIES[strategy][0]
    best = min(candidates, key=lambda one: (rank(one), random()))
    return Choice(best, strategy, len(candidates))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an agent's work is done: here by the local agent `agent`, or elsewhere.

    `choice` says who was chosen and why (`Choice.as_json`); None where there was none.
    """

    agent: str
    is_remote: bool
    choice: Mapping[str, Any] | None = None
