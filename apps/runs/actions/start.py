"""Starting a run: the input is checked, the rows are written, and only then is anything sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs import live, rows, sql
from apps.runs.actions.facts import plan_of
from apps.runs.actions.items import scope_rows
from apps.runs.actions.limits import deadline_of
from apps.runs.actions.places import find_duplicate, has_to_wait, lock_places, settle_places
from apps.runs.dispatch import send_after_commit
from apps.runs.events import EventLog, Label
from apps.runs.models import Origin, PriorityLevel, Run
from apps.runs.rows import NodeRow, RunRow
from apps.workflows.models import Workflow, WorkflowVersion
from orchestra import tracing
from orchestra.engine.inputs import complete_input
from orchestra.engine.plan import ITEM, Plan
from orchestra.engine.status import FINAL_NODE, EventType, NodeStatus, RunStatus
from orchestra.errors import Conflict, InvalidInput, Problem

log = structlog.get_logger(__name__)

RUN_INSERTED = tuple(field.attname for field in Run._meta.concrete_fields)


def start_run(
    *,
    workflow: Workflow,
    input: Mapping[str, Any],
    by: User,
    version: WorkflowVersion | None = None,
    priority: int = PriorityLevel.NORMAL,
    tags: Sequence[str] = (),
    origin: str = Origin.API,
    dedup_key: str = "",
    dedup_seconds: float = 0,
) -> Run:
    """Start a run of a workflow's published version, or of the given one; return it queued and durable.

    `input` is checked against the version's `inputs` schema and completed with its defaults. With a `dedup_key` no
    second run is started beside one of the same workflow and key that has not ended, or that was started within
    `dedup_seconds`: that one is returned, its `is_deduplicated` true. Raises NotPermitted (below operator), Conflict
    (nothing published, archived), InvalidInput (every problem with its path), LimitReached (too many runs at once).
    """
    require(by, workflow.team_id, Role.OPERATOR)
    if workflow.archived_at is not None:
        raise Conflict("This workflow is archived; restore it before starting runs.")
    version_id = version.pk if version is not None else workflow.published_id
    if version_id is None:
        raise Conflict("This workflow has no published version yet; publish its draft first.")
    if priority not in PriorityLevel.values:
        raise InvalidInput(problems=[Problem("priority", "unknown", "Use 0 (low), 1, 2 or 3 (critical).")])
    plan = plan_of(str(version_id))
    run = Run(
        team_id=workflow.team_id,
        workflow=workflow,
        version_id=version_id,
        number=0,
        priority=priority,
        origin=origin,
        tags=list(tags),
        input=complete_input(plan.inputs, input),
        dedup_key=dedup_key,
        started_by=by,
    )
    begun = begin_run(run, plan, dedup_seconds=dedup_seconds)
    log.info("run_accepted", run=str(begun.pk), workflow=workflow.slug, number=begun.number)
    return begun


def begin_run(run: Run, plan: Plan, *, dedup_seconds: float = 0, is_sent: bool = True) -> Run:
    """Write a run that is not written yet, and send for it; or return the one that it would double.

    Raises LimitReached (too many runs of the workflow at once).
    """
    workflow, dedup_key = run.workflow, run.dedup_key
    if not dedup_key and workflow.max_runs is None:
        return _insert(run, plan, is_sent=is_sent)
    with transaction.atomic():
        places = lock_places(workflow.pk)
        known = find_duplicate(workflow.pk, dedup_key, dedup_seconds) if dedup_key else None
        if known is not None:
            known.is_deduplicated = True
            return known
        run.is_held = has_to_wait(places)
        return _insert(run, plan, is_sent=is_sent)


def _insert(run: Run, plan: Plan, *, is_sent: bool) -> Run:
    with sql.session():
        log = EventLog(now=timezone.now())
        opened = scope_rows(plan, str(run.pk), "")
        for row in opened:
            if row.node in plan.starts:
                row.status, row.queued_at = NodeStatus.QUEUED, log.now
        write_run(run, plan, opened, log)
        if run.is_held:
            transaction.on_commit(partial(settle_places, run.workflow_id))
        elif is_sent:
            send_after_commit(run, plan)
        transaction.on_commit(partial(live.broadcast, log.frames))
    return run


def write_run(run: Run, plan: Plan, opened: Sequence[NodeRow], log: EventLog, **said: Any) -> None:
    """Write a run with its node runs and first event; `said` goes into that. Its spans will stand under this one."""
    about = {tracing.RUN: str(run.pk), tracing.WORKFLOW: run.workflow.slug}
    with tracing.span("start run", about, within=run.trace):
        run.trace = tracing.carrier()
        _write(run, plan, opened, log, **said)


def _write(run: Run, plan: Plan, opened: Sequence[NodeRow], log: EventLog, **said: Any) -> None:
    counted = [row for row in opened if row.node != ITEM]
    run.nodes_total = len(counted)
    run.nodes_done = sum(row.status in FINAL_NODE for row in counted)
    run.unsettled = sum(row.status not in FINAL_NODE for row in counted if not row.scope)
    run.created_at = log.now
    run.deadline_at = deadline_of(plan.limits, log.now)
    run.number = sql.increment("workflows_workflow", "run_count", run.workflow_id)
    shadow = shadow_of(run)
    label = Label(str(run.team_id), run.workflow.slug, run.number)
    figures: dict[str, Any] = {
        "total": run.nodes_total,
        **({"done": run.nodes_done} if run.nodes_done else {}),
    }
    log.add(shadow, EventType.RUN_QUEUED, label=label, status=RunStatus.QUEUED, **figures, **said)
    run.seq = shadow.seq
    sql.insert(Run, RUN_INSERTED, [run])
    run._state.adding, run._state.db = False, connection.alias
    rows.insert_nodes(opened)
    log.flush()


def shadow_of(run: Run) -> RunRow:
    """Return the hot-path form of a run."""
    values: dict[str, Any] = {name: getattr(run, name) for name in rows.RUN_COLUMNS}
    return RunRow(**{**values, "id": str(run.pk)})
