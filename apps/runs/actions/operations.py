"""What workers ask of the database, and what they get: frozen values, committed in groups by `commit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra.engine.outcome import ItemResult, Outcome
from orchestra.engine.plan import Plan, PlanNode, Read
from orchestra.engine.scope import NodeResult


@dataclass(frozen=True, slots=True)
class Advance:
    """Send out whatever of a run is queued; start it when it has not started."""

    run: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Take a queued node run, or (with `fence`) one that this worker laid down for a short back-off."""

    run: str
    path: str
    epoch: int
    fence: int | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """Take up to `limit` queued node runs of a run in one queue."""

    run: str
    queue: str
    epoch: int
    limit: int


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of an attempt. `follows` says that a canvas brings the next segments of the same unit.

    `keep` names the queue that the reporting worker serves: a node that this outcome makes ready and that
    it may run itself is claimed for it in the same transaction.
    """

    run: str
    path: str
    fence: int
    outcome: Outcome
    input: Any = None
    follows: bool = False
    keep: str | None = None


@dataclass(frozen=True, slots=True)
class HandBack:
    """Give up a claimed node run unfinished (the worker stops): it is queued again, at no cost to its attempts."""

    run: str
    path: str
    fence: int


Operation = Advance | Claim | Feed | Record | HandBack


@dataclass(frozen=True, slots=True)
class Facts:
    """What never changes about a run; cached by every worker process."""

    run: str
    team: str
    workflow: str
    number: int
    version: str
    priority: int
    input: Mapping[str, Any] | None
    """None when it is too large to be kept; claims then carry it."""
    created_at: str
    plan: Plan
    user: str = ""
    """Id of whoever started it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt at one node run, with everything it reads."""

    facts: Facts
    path: str
    node: PlanNode
    plan: Plan
    """The plan of the node's own graph."""
    queue: str
    epoch: int
    attempt: int
    fence: int
    input: Mapping[str, Any]
    """The run's input."""
    results: Mapping[Read, NodeResult]
    items: Sequence[ItemResult] | None = None
    failures: Sequence[Mapping[str, Any]] = ()
    item: Any = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A queued node run that starts a segment: where it goes."""

    path: str
    queue: str


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What is to be sent out for a run after the commit."""

    run: str
    epoch: int
    priority: int
    plan: Plan
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The answer to an operation: what the worker holds now, and what has to be sent out."""

    is_accepted: bool = False
    claimed: tuple[Claimed, ...] = ()
    dispatch: Dispatch | None = None
