"""How many runs of a workflow may be under way at once: who gets a place, who waits for one, who makes room.

A run without a place is queued and held: no worker starts it. Places are given under the workflow's row lock, so two
starts at once cannot take the same one; what a crash leaves undone the upkeep does within a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.runs import live, rows
from apps.runs.actions.ending import stop_run
from apps.runs.dispatch import send_advance
from apps.runs.events import EventLog, Label
from apps.runs.models import Run
from apps.workflows.models import WhenFull, Workflow
from orchestra.engine.status import RunStatus
from orchestra.errors import LimitReached

log = structlog.get_logger(__name__)

UNDER_WAY = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED)
RETRY_AFTER_SECONDS = 10.0
RELEASED_AT_ONCE = 500
REPLACED = "replaced"
"""`reason` of the event of a run that was cancelled because a newer one wanted its place."""


def lock_places(workflow_id: UUID) -> Workflow:
    """Lock the places of a workflow until the transaction ends; return the workflow with its limit as it is now."""
    locked: Workflow = (
        Workflow.objects.select_for_update(no_key=True)
        .only("id", "max_runs", "when_full")
        .get(pk=workflow_id)
    )
    return locked


def find_duplicate(workflow_id: UUID, key: str, seconds: float) -> Run | None:
    """Return the newest run with a deduplication key that has not ended, or was started within `seconds`."""
    same: QuerySet[Run] = Run.objects.filter(workflow_id=workflow_id, dedup_key=key).order_by("-id")
    still_open = same.filter(status__in=UNDER_WAY).first()
    if still_open is None and seconds:
        return same.filter(created_at__gt=timezone.now() - timedelta(seconds=seconds)).first()
    return still_open


def has_to_wait(workflow: Workflow) -> bool:
    """Say whether a new run has to wait for a place. Raises LimitReached when it is to be refused then.

    The places must have been locked.
    """
    if workflow.max_runs is None or _taken(workflow.pk).count() < workflow.max_runs:
        return False
    if workflow.when_full == WhenFull.REJECT:
        raise LimitReached(
            f"{workflow.max_runs} runs of this workflow are under way; no more are started at once.",
            retry_after=RETRY_AFTER_SECONDS,
        )
    return True


def settle_places(workflow_id: UUID) -> int:
    """Start held runs for which there is a place, the most urgent first, then the oldest; return how many.

    Where the workflow says so, the oldest runs make room first: they are cancelled.
    """
    with transaction.atomic():
        workflow = lock_places(workflow_id)
        held = Run.objects.filter(workflow=workflow, is_held=True, status=RunStatus.QUEUED)
        count = held.count()
        if not count:
            return 0
        free = count if workflow.max_runs is None else workflow.max_runs - _taken(workflow_id).count()
        if workflow.when_full == WhenFull.REPLACE and free < count:
            free += _make_room(workflow, min(count, workflow.max_runs or count) - free)
        chosen = list(held.order_by("-priority", "pk")[: max(0, min(free, RELEASED_AT_ONCE))])
        Run.objects.filter(pk__in=[run.pk for run in chosen]).update(is_held=False)
        for run in chosen:
            transaction.on_commit(partial(send_advance, str(run.pk), run.priority))
    return len(chosen)


def settle_all_places() -> int:
    """Settle the places of every workflow with held runs; safe to repeat."""
    waiting = Run.objects.filter(is_held=True, status=RunStatus.QUEUED).order_by()
    return sum(settle_places(found) for found in set(waiting.values_list("workflow_id", flat=True)))


def give_up_places(runs: Iterable[str]) -> None:
    """Let others have the places of runs that have ended. Never raises: the upkeep does what this could not."""
    try:
        for found in set(Run.objects.filter(pk__in=list(runs)).values_list("workflow_id", flat=True)):
            settle_places(found)
    except DatabaseError as error:
        log.warning("places_postponed", error=str(error).strip())


def _taken(workflow_id: UUID) -> QuerySet[Run]:
    found: QuerySet[Run] = Run.objects.filter(workflow_id=workflow_id, is_held=False, status__in=UNDER_WAY)
    return found


def _make_room(workflow: Workflow, wanted: int) -> int:
    """Cancel the oldest `wanted` runs that have a place; return how many have ended by that.

    What is being undone gives its place up when that is done, and counts as cancelled until then.
    """
    taken = _taken(workflow.pk)
    wanted -= taken.exclude(ends_as="").count()
    oldest = taken.filter(ends_as="").select_related("workflow").order_by("pk")[: max(0, wanted)]
    return sum(_replace(run) for run in list(oldest))


def _replace(run: Run) -> bool:
    key = str(run.pk)
    events = EventLog(now=timezone.now())
    row = rows.lock_runs([key])[key]
    if RunStatus(row.status).is_final:
        return True
    label = Label(str(run.team_id), run.workflow.slug, run.number)
    said: dict[str, Any] = {"reason": REPLACED}
    stop_run(row, label=label, log=events, status=RunStatus.CANCELLED, **said)
    rows.save_runs([row])
    events.flush()
    transaction.on_commit(partial(live.broadcast, events.frames))
    transaction.on_commit(partial(live.tell_workers, {"cancel": key}))
    return RunStatus(row.status).is_final
