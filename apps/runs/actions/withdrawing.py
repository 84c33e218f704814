"""Taking questions back that nobody needs to answer any more, so that inboxes forget them at once."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from apps.runs.events import EventLog, Label
from apps.runs.models import Approval, ApprovalStatus
from apps.runs.rows import RunRow
from orchestra.engine.status import EventType

NAMED = 1000
"""Questions of one run whose withdrawal is told by an event each."""


def withdraw_approvals(row: RunRow, found: QuerySet[Approval], *, label: Label, log: EventLog) -> None:
    """Withdraw those of `found` that a run asks; the caller holds the run's lock and saves the row and the log."""
    asked = found.filter(run_id=UUID(row.id))
    for pk, path in list(asked.order_by("pk").values_list("pk", "path")[:NAMED]):
        log.add(row, EventType.APPROVAL_WITHDRAWN, node=path, label=label, approval=str(pk))
    asked.update(status=ApprovalStatus.WITHDRAWN, decided_at=log.now)
