"""A transaction whose end is unknown: its connection broke, so it was committed or was not.

Applied a second time, its claims would be refused as taken, by the very worker that was to run them, and nobody ever
would. So the next try looks first, under the runs' locks, for an event that only the first try can have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.runs.models import Event

if TYPE_CHECKING:
    from apps.runs.actions.operations import Applied
    from apps.runs.events import EventLog


@dataclass
class Doubt:
    """What the last try of a group of operations wrote and would have answered."""

    log: EventLog | None = None
    answers: Sequence[Applied] = ()

    def note(self, log: EventLog, answers: Sequence[Applied]) -> None:
        """Remember a try, just before its commit. One that wrote no event changed nothing that matters."""
        self.log, self.answers = (log, answers) if log.pending else (None, ())

    def was_committed(self) -> bool:
        """Say whether the last try is in the database. Call it with the runs locked: by then it has ended."""
        if self.log is None:
            return False
        run, seq, type_, node, at, _data = self.log.pending[0]
        return Event.objects.filter(run_id=run, seq=seq, type=type_, node=node, at=at).exists()
