"""What every change by a person shares: the run's lock, the events, the broadcast after the commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.runs import live, rows
from apps.runs.events import EventLog, Label
from apps.runs.models import Run
from apps.runs.rows import RunRow
from orchestra.engine.status import EventType


@dataclass(frozen=True, slots=True)
class Change:
    """One run under its lock. What is done to `row` is saved, and the events are sent, when the change ends well."""

    row: RunRow
    log: EventLog
    label: Label

    def event(self, type_: EventType, node: str = "", **data: Any) -> None:
        self.log.add(self.row, type_, node=node, label=self.label, **data)

    def run_event(self, type_: EventType, **data: Any) -> None:
        """Note something about the whole run, with the figures that lists show beside it."""
        figures: dict[str, Any] = {
            "status": self.row.status,
            "done": self.row.nodes_done,
            "total": self.row.nodes_total,
        }
        self.event(type_, **figures, **data)


@contextmanager
def changing(run: Run) -> Iterator[Change]:
    """Lock a run for a change by a person; workers that record wait meanwhile. `run` is read anew at the end."""
    key = str(run.pk)
    log = EventLog(now=timezone.now())
    with transaction.atomic():
        row = rows.lock_runs([key])[key]
        yield Change(row, log, Label(str(run.team_id), run.workflow.slug, run.number))
        rows.save_runs([row])
        log.flush()
        transaction.on_commit(lambda: live.broadcast(log.frames))
    run.refresh_from_db()
