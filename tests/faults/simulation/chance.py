"""The seeded dice of a simulation: which fault strikes where, and how often each has struck."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random


class Crash(BaseException):
    """The process ends here, as by kill -9: nothing of it runs on, not even what catches exceptions."""


@dataclass(frozen=True)
class Odds:
    """How likely each fault is, each time it could happen."""

    lost: float = 0.03
    """A message never arrives."""
    doubled: float = 0.05
    """A message arrives twice."""
    late: float = 0.1
    """A message takes seconds instead of milliseconds, and so comes out of order."""
    crash: float = 0.006
    """A process dies at one of the named points."""
    answer_lost: float = 0.01
    """A transaction is committed and its answer is lost, so it is tried again."""
    kills: int = 3
    freezes: int = 2
    freeze_seconds: tuple[float, float] = (5.0, 60.0)
    stops: int = 1
    """Workers that are asked to end, and hand back."""
    flushes: int = 1
    outages: int = 2
    """Times that the broker or the database is away for seconds."""
    cancelled: float = 0.06
    """A person cancels a run while it goes on."""
    paused: float = 0.06
    """A person pauses a run, and resumes it after seconds."""
    slowness: float = 1.0
    """How many times longer nodes take than they do else."""


CALM = Odds(
    lost=0,
    doubled=0,
    late=0,
    crash=0,
    answer_lost=0,
    kills=0,
    freezes=0,
    stops=0,
    flushes=0,
    outages=0,
    cancelled=0,
    paused=0,
)


class Chance:
    def __init__(self, seed: int, odds: Odds) -> None:
        self.random = Random(seed)
        self.odds = odds
        self.is_calm = False
        self.struck: Counter[str] = Counter()

    def strikes(self, fault: str, odds: float) -> bool:
        if self.is_calm or self.random.random() >= odds:
            return False
        self.struck[fault] += 1
        return True

    def crash_at(self, point: str) -> None:
        """Raise Crash, sometimes. Every point that a process can die at calls this with its name."""
        if self.strikes(f"crash {point}", self.odds.crash):
            raise Crash(point)
