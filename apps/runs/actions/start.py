"""Starting a run: the input is checked, the rows are written, and only then is anything sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs import live, rows
from apps.runs.actions.items import scope_rows
from apps.runs.dispatch import send_after_commit
from apps.runs.events import EventLog, Label
from apps.runs.models import Origin, PriorityLevel, Run
from apps.runs.rows import RunRow
from apps.workflows.models import Workflow, WorkflowVersion
from orchestra.engine.codec import plan_from_json
from orchestra.engine.inputs import complete_input
from orchestra.engine.plan import Plan
from orchestra.engine.status import EventType, NodeStatus, RunStatus
from orchestra.errors import Conflict, InvalidInput, Problem


def start_run(
    *,
    workflow: Workflow,
    input: Mapping[str, Any],
    by: User,
    version: WorkflowVersion | None = None,
    priority: int = PriorityLevel.NORMAL,
    tags: Sequence[str] = (),
    origin: str = Origin.API,
) -> Run:
    """Start a run of a workflow's published version, or of the given one; return it queued and durable.

    `input` is checked against the version's `inputs` schema and completed with its defaults. Raises NotPermitted
    (below operator), Conflict (nothing published, archived), InvalidInput (every problem with its path).
    """
    require(by, workflow.team_id, Role.OPERATOR)
    if workflow.archived_at is not None:
        raise Conflict("This workflow is archived; restore it before starting runs.")
    version = version or workflow.published
    if version is None:
        raise Conflict("This workflow has no published version yet; publish its draft first.")
    if priority not in PriorityLevel.values:
        raise InvalidInput(problems=[Problem("priority", "unknown", "Use 0 (low), 1, 2 or 3 (critical).")])
    plan = plan_from_json(version.plan)
    with transaction.atomic():
        run = Run(
            team_id=workflow.team_id,
            workflow=workflow,
            version=version,
            number=0,
            priority=priority,
            origin=origin,
            tags=list(tags),
            input=complete_input(plan.inputs, input),
            started_by=by,
        )
        log = EventLog(now=timezone.now())
        _write(run, plan, log)
        send_after_commit(run)
        transaction.on_commit(lambda: live.broadcast(log.frames))
    return run


def _write(run: Run, plan: Plan, log: EventLog) -> None:
    """Write the run with its node runs and first event; the workflow's counter comes last, so its lock is short."""
    opened = scope_rows(plan, str(run.pk), "")
    for row in opened:
        if row.node in plan.starts:
            row.status, row.queued_at = NodeStatus.QUEUED, log.now
    run.unsettled = run.nodes_total = len(opened)
    run.created_at = log.now
    Workflow.objects.filter(pk=run.workflow_id).update(run_count=F("run_count") + 1)
    run.number = Workflow.objects.values_list("run_count", flat=True).get(pk=run.workflow_id)
    shadow = shadow_of(run)
    label = Label(str(run.team_id), run.workflow.slug, run.number)
    log.add(shadow, EventType.RUN_QUEUED, label=label, status=RunStatus.QUEUED, total=run.nodes_total)
    run.seq = shadow.seq
    run.save(force_insert=True)
    rows.insert_nodes(opened)
    log.flush()


def shadow_of(run: Run) -> RunRow:
    """Return the hot-path form of a run."""
    values: dict[str, Any] = {name: getattr(run, name) for name in rows.RUN_COLUMNS}
    return RunRow(**{**values, "id": str(run.pk)})
