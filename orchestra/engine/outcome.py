"""What running a node can end in. Frozen values; the recorder turns them into rows and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestra.engine.plan import OUT
from orchestra.llm.spending import Call, Tally


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one node run; `cost` in the installation's currency."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    model: str = ""
    calls: tuple[Call, ...] = field(default=(), compare=False)
    """The calls of models behind it; what a child run has used is listed with the child."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
            other.model or self.model,
            (*self.calls, *other.calls),
        )


def usage_of(tally: Tally) -> Usage | None:
    """Return what an attempt has spent; None when it has called no model."""
    if not tally.made:
        return None
    return Usage(tally.input_tokens, tally.output_tokens, tally.cost, tally.model, tuple(tally.made))


@dataclass(frozen=True, slots=True)
class Done:
    """The node succeeded: its JSON output and the ports it takes."""

    output: Any = None
    ports: tuple[str, ...] = (OUT,)
    usage: Usage | None = None
    is_cached: bool = False
    """Whether this is the result of earlier work, which cost nothing now."""
    calls: Sequence[Mapping[str, Any]] = ()
    """What the calls to models came to (`orchestra.llm.trail`)."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The node's condition is false."""

    reason: str = "when"


@dataclass(frozen=True, slots=True)
class Failed:
    """This attempt failed: `error` is `NodeFailure.as_json()`.

    `retry_after` is the delay in seconds before the next attempt, None after the last one. `is_handled` says that
    the run need not fail: an edge leaves from `error`, or `on_error` is `continue` or a stand-in; then `ports` are
    taken and `output` is what readers see.
    """

    error: Mapping[str, Any]
    retry_after: float | None = None
    is_handled: bool = False
    ports: tuple[str, ...] = ()
    output: Any = None
    usage: Usage | None = None
    calls: Sequence[Mapping[str, Any]] = ()
    """As of `Done`."""


@dataclass(frozen=True, slots=True)
class Expand:
    """A map opens one scope for each item; at most `concurrency` of them are active at once (None: no bound)."""

    items: Sequence[Any]
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Iterate:
    """A loop opens its next scope, number `index` from 0, on a value."""

    index: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Suspend:
    """The node waits for the world: a person, a time, a signal. It holds nothing meanwhile.

    It ends by itself (`Kind.on_due`) after `due_in` seconds or at `due_at`; with neither it waits for ever.
    """

    waiting_for: str
    due_in: float | None = None
    due_at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    """What the attempt has spent until here."""


Outcome = Done | Skipped | Failed | Expand | Iterate | Suspend


@dataclass(frozen=True, slots=True)
class ItemResult:
    """How one item of a map ended: its value, or the error that ended it."""

    index: int
    output: Any = None
    error: Mapping[str, Any] | None = None
