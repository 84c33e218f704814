"""What people do to a run that is under way."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs import live, rows
from apps.runs.events import EventLog, Label
from apps.runs.models import NodeRun, Run
from orchestra.engine.status import FINAL_NODE, EventType, NodeStatus, RunStatus
from orchestra.errors import Conflict


def cancel_run(*, run: Run, by: User) -> Run:
    """Cancel a run: what has not ended is cancelled at once, and workers are told to stop what they run.

    A result that arrives later is refused by its fence. Raises Conflict when the run has ended.
    """
    require(by, run.team_id, Role.OPERATOR)
    key = str(run.pk)
    log = EventLog(now=timezone.now())
    with transaction.atomic():
        row = rows.lock_runs([key])[key]
        if RunStatus(row.status).is_final:
            raise Conflict(f"This run has already ended: {row.status}.")
        label = Label(str(run.team_id), run.workflow.slug, run.number)
        open_nodes = NodeRun.objects.filter(run_id=UUID(key)).exclude(status__in=FINAL_NODE)
        for path in open_nodes.filter(status__in=["running", "waiting"]).values_list("path", flat=True)[
            :1000
        ]:
            log.add(row, EventType.NODE_CANCELLED, node=path, label=label)
        open_nodes.update(
            status=NodeStatus.CANCELLED, fence=F("fence") + 1, finished_at=log.now, waiting_for="", worker=""
        )
        row.status, row.finished_at, row.unsettled, row.epoch = RunStatus.CANCELLED, log.now, 0, row.epoch + 1
        log.add(
            row,
            EventType.RUN_CANCELLED,
            label=label,
            status=row.status,
            by=by.name,
            done=row.nodes_done,
            total=row.nodes_total,
        )
        rows.save_runs([row])
        log.flush()
    live.broadcast(log.frames)
    live.tell_workers({"cancel": key})
    run.refresh_from_db()
    return run
