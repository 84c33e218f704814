"""What attempts have spent, on the rows of run and node run and call by call; also of attempts that were stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from django.db.models import F

from apps.runs.actions.operations import Facts, Hold
from apps.runs.events import EventLog, Label
from apps.runs.models import NodeRun
from apps.runs.rows import CallRow, NodeRow, RunRow
from apps.usage.models import ModelCall
from orchestra.engine.outcome import Usage
from orchestra.engine.status import FINAL_RUN, EventType
from orchestra.llm.spending import DIGITS, Call

AMOUNTS = ("input_tokens", "output_tokens", "cost")


def add_usage(row: NodeRow | RunRow, usage: Usage) -> None:
    """Add what an attempt has spent to the sums of its node run, or of its run."""
    row.input_tokens += usage.input_tokens
    row.output_tokens += usage.output_tokens
    row.cost = round(float(row.cost) + usage.cost, DIGITS)


def entries_of(facts: Facts, row: NodeRow, calls: Iterable[Call]) -> list[CallRow]:
    """Return the calls of an attempt as they are kept."""
    return [
        CallRow(
            team_id=facts.team,
            at=call.ended_at,
            run=facts.run,
            number=facts.number,
            node=row.path,
            fence=row.fence,
            workflow=facts.workflow[:80],
            agent=call.agent[:80],
            connection=call.connection[:80],
            model=call.model[:120],
            user_id=facts.user or None,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost=call.cost,
            input_price=call.prices[0] if call.prices else None,
            output_price=call.prices[1] if call.prices else None,
            seconds=round(call.seconds, 3),
            failed=int(bool(call.error)),
            error=call.error[:60],
            is_estimated=call.is_estimated,
        )
        for call in calls
    ]


class StoppedAttempts(ABC):
    """Part of a run's state: what an attempt spent whose outcome does not count any more."""

    row: RunRow
    facts: Facts
    log: EventLog
    label: Label

    @abstractmethod
    def load(self, paths: Iterable[str]) -> list[NodeRow]: ...

    def charge_stopped(self, path: str, hold: Hold, usage: Usage | None) -> None:
        """Charge run and node run with what a stopped or overtaken attempt had spent, once.

        Its result is dropped, its money is gone. The rest of the node run's row belongs to others by now.
        """
        fence = hold.fences.get(path)
        if usage is None or fence is None or self._is_charged(path, fence):
            return
        for row in self.load([path]):
            amounts = {name: F(name) + getattr(usage, name) for name in AMOUNTS[:2]}
            amounts["cost"] = F("cost") + Decimal(str(usage.cost))
            NodeRun.objects.filter(run_id=UUID(self.row.id), path=path).update(**amounts)
            add_usage(row, usage)
            add_usage(self.row, usage)
            entries = entries_of(self.facts, row, usage.calls)
            self.log.calls.extend(entry._replace(fence=fence) for entry in entries)
            if self.row.status not in FINAL_RUN:
                self.log.add(
                    self.row,
                    EventType.USAGE_RECORDED,
                    node=path,
                    label=self.label,
                    **{name: getattr(usage, name) for name in AMOUNTS},
                )

    def _is_charged(self, path: str, fence: int) -> bool:
        known = ModelCall.objects.filter(run=UUID(self.row.id), node=path, fence=fence).exists()
        return known or any(
            (entry.run, entry.node, entry.fence) == (self.row.id, path, fence) for entry in self.log.calls
        )
