"""Writing the event log: an event gets the run's next `seq` under its lock; its broadcast waits for the commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.runs import rows
from apps.runs.rows import CallRow, EventRow, RunRow
from orchestra.engine.status import EventType

Frame = tuple[str, Mapping[str, Any]]
"""(topic, envelope), ready for `apps.runs.live.broadcast`."""

APPROVAL_EVENTS = frozenset(
    {EventType.APPROVAL_REQUESTED, EventType.APPROVAL_DECIDED, EventType.APPROVAL_WITHDRAWN}
)


@dataclass(frozen=True, slots=True)
class Label:
    """What lists show of a run beside its status: the team's topic carries it with every run event."""

    team: str
    workflow: str
    number: int


@dataclass
class EventLog:
    """The events of one transaction, over any number of runs."""

    now: datetime
    pending: list[EventRow] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    calls: list[CallRow] = field(default_factory=list)
    """What the calls of models used that the same transaction records."""

    def add(self, run: RunRow, type_: EventType, *, node: str = "", label: Label, **data: Any) -> None:
        """Append one event; `seq` rises on the row, which the caller saves in the same transaction."""
        run.seq += 1
        self.pending.append(EventRow(run.id, run.seq, type_.value, node, self.now, data))
        envelope = envelope_of(run.id, run.seq, type_.value, node, self.now, data)
        self.frames.append((f"run:{run.id}", envelope))
        if type_ in APPROVAL_EVENTS:
            self.frames.append((f"approvals:{label.team}", _listed(envelope, label)))
        if not node:
            self.frames.append((f"team:{label.team}", _listed(envelope, label)))

    def flush(self) -> None:
        if self.pending:
            rows.insert_events(self.pending)
        rows.insert_calls(self.calls)


def _listed(envelope: Mapping[str, Any], label: Label) -> dict[str, Any]:
    return {**envelope, "data": {**envelope["data"], "workflow": label.workflow, "number": label.number}}


def envelope_of(
    run: str, seq: int, type_: str, node: str, at: datetime, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an event as every surface sends it."""
    return {
        "seq": seq,
        "type": type_,
        "run": run,
        "node": node or None,
        "at": at.isoformat().replace("+00:00", "Z"),
        "data": dict(data),
    }
