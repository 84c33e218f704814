"""What workers ask of the database, and what they get: frozen values, committed in groups by `commit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestra.engine.outcome import ItemResult, Outcome, Usage
from orchestra.engine.plan import Plan, PlanNode, Read
from orchestra.engine.scope import NodeResult


@dataclass(frozen=True, slots=True)
class Advance:
    """Send out whatever of a run is queued; start it when it has not started."""

    run: str
    raised_to: int | None = None
    """The priority that what has waited long is sent with."""


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


class Hold:
    """What one task of a worker holds of a run: fences by path, given by `commit` as it claims for that task."""

    __slots__ = ("fences",)

    def __init__(self, fences: Mapping[str, int] | None = None) -> None:
        self.fences = dict(fences or {})


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of an attempt at a node run that the task holds. `follows`: a canvas brings the unit's next segments.

    `keep` names the queue that the reporting worker serves: a node that this outcome makes ready and that
    it may run itself is claimed for it in the same transaction. `ahead` are paths that it has begun already: they
    are claimed for its hold, and their records follow.
    """

    run: str
    path: str
    hold: Hold
    outcome: Outcome
    input: Any = None
    follows: bool = False
    keep: str | None = None
    epoch: int | None = None
    """Of the claim: what an older epoch's canvas was to bring is sent anew."""
    ahead: tuple[str, ...] = ()
    started_at: datetime | None = None
    """When a node that was run ahead began; its claim is later."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HandBack:
    """Give up a claimed node run unfinished (the worker stops): it is queued again, at no cost to its attempts."""

    run: str
    path: str
    hold: Hold
    usage: Usage | None = None
    """What the attempt had spent when it was stopped."""


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
    parent: str = ""
    """Id of the run whose node started it; empty: none."""
    user: str = ""
    """Id of whoever started it."""
    team_name: str = ""
    """Short name of the team."""
    is_limited: bool = False
    """Its workflow lets only some runs be under way at once: its end makes room."""
    is_interactive: bool = False
    """Somebody waits for it in person, or it is urgent: at limits it goes before batches."""
    trace: str = ""
    """Traceparent that its spans belong under."""


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
    loop: Mapping[str, Any] | None = None
    """`{index, value}` of the innermost loop around the node."""
    spent: float = 0.0
    """What the run had cost when this was claimed, under its lock."""
    tried_before: int = 0
    """Attempts before somebody retried it by hand: its retry policy does not count them."""


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
    raised_to: int | None = None
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """The answer to an operation: what the worker holds beside its `Hold`, and what has to be sent out."""

    is_accepted: bool = False
    claimed: tuple[Claimed, ...] = ()
    dispatch: Dispatch | None = None
    parent: tuple[str, int] | None = None
    """The run to be told that this one has ended, and its priority."""
