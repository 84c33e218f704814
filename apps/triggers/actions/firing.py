"""Firing a trigger: for one key exactly one firing, and for a firing at most one run, whoever asks how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.runs.actions import cancel_run, start_run
from apps.runs.models import Run
from apps.triggers.mapping import mapped
from apps.triggers.models import Firing, FiringStatus, Overlap, Trigger
from orchestra.engine.status import FINAL_RUN
from orchestra.errors import Conflict, NotPermitted, OrchestraError

MOST_QUEUED = 1000
KEPT = timedelta(days=90)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a trigger fires: the key that makes it happen once, and what its mapping may read."""

    key: str
    scope: Mapping[str, Any] = field(default_factory=dict)
    typed: Mapping[str, Any] | None = None
    """A form's input, which goes over the mapping's constants."""
    due_at: datetime | None = None
    source_run: UUID | None = None
    refusal: str = ""
    """Why nothing may be started, found out by the caller."""


def fire(trigger_id: UUID, cause: Cause) -> Firing:
    """Start a run for a cause, or do what the trigger's overlap policy says; return what came of it.

    The same key again returns the firing of before; only a refused one is tried again. The run and the firing are
    written in one transaction.
    """
    try:
        with transaction.atomic():
            return fire_locked(lock(trigger_id), cause)
    except IntegrityError:  # another process was first with this key
        known: Firing = Firing.objects.select_related("run").get(trigger_id=trigger_id, key=cause.key)
        return known


def lock(trigger_id: UUID) -> Trigger:
    """Return a trigger with its row locked, so that the overlap of its runs is judged by one at a time."""
    locked = Trigger.objects.select_for_update(of=("self",))
    found: Trigger = locked.select_related("workflow__published", "owner", "team").get(pk=trigger_id)
    return found


def fire_locked(trigger: Trigger, cause: Cause) -> Firing:
    """Fire a trigger whose row the caller has locked, in the caller's transaction."""
    firing: Firing | None = trigger.firings.filter(key=cause.key).select_related("run").first()
    if firing is not None and firing.status != FiringStatus.REFUSED:
        return firing
    if firing is None:
        firing = Firing(trigger=trigger, key=cause.key, due_at=cause.due_at, source_run_id=cause.source_run)
    firing.at, firing.detail = timezone.now(), ""
    try:
        if cause.refusal:
            raise Conflict(cause.refusal)
        made = mapped(
            trigger.input, {**cause.scope, "trigger": {"id": str(trigger.pk), "name": trigger.name}}
        )
        _start_or_wait(trigger, firing, {**made, **(cause.typed or {})})
    except OrchestraError as error:
        firing.status, firing.detail = FiringStatus.REFUSED, words_of(error)
    firing.save()
    trigger.last_at = firing.at
    trigger.save(update_fields=["last_at"])
    return firing


def start_queued(trigger: Trigger) -> bool:
    """Start the oldest firing that waits for the run before, when that has ended; the trigger is locked."""
    firing = trigger.firings.filter(status=FiringStatus.QUEUED).order_by("pk").first()
    if firing is None or open_runs(trigger):
        return False
    try:
        _start(trigger, firing, firing.input or {})
    except OrchestraError as error:
        firing.status, firing.detail = FiringStatus.REFUSED, words_of(error)
    firing.input = None
    firing.save()
    return True


def open_runs(trigger: Trigger) -> list[Run]:
    """Return the runs of a trigger that have not ended."""
    mine = Run.objects.filter(firing__trigger=trigger).exclude(status__in=FINAL_RUN)
    return list(mine.select_related("workflow").order_by("pk"))


def purge_firings(now: datetime | None = None) -> int:
    """Delete a batch of firings that are older than 90 days; return how many."""
    limit = (now or timezone.now()) - KEPT
    old = Firing.objects.filter(at__lt=limit).exclude(status=FiringStatus.QUEUED).order_by("pk")
    count, _by_model = Firing.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()
    return count


def words_of(error: OrchestraError) -> str:
    """Return an error in one line: its problems with their paths, or its message."""
    problems = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in error.problems)
    return (problems or error.message)[:500]


def _start_or_wait(trigger: Trigger, firing: Firing, given: Mapping[str, Any]) -> None:
    policy = trigger.settings.get("overlap", Overlap.ALLOW)
    queued = trigger.firings.filter(status=FiringStatus.QUEUED)
    running = [] if policy == Overlap.ALLOW else open_runs(trigger)
    if policy == Overlap.CANCEL:
        for run in running:
            cancel_run(run=run, by=_owner_of(trigger))
    elif policy == Overlap.SKIP and running:
        firing.status, firing.detail = FiringStatus.SKIPPED, f"Run #{running[-1].number} has not ended yet."
        return
    elif policy == Overlap.QUEUE and (running or queued.exists()):
        if queued.count() >= MOST_QUEUED:
            raise Conflict(f"More than {MOST_QUEUED} firings wait for the run before.")
        firing.status, firing.input = FiringStatus.QUEUED, dict(given)
        return
    _start(trigger, firing, given)


def _start(trigger: Trigger, firing: Firing, given: Mapping[str, Any]) -> None:
    with transaction.atomic():
        firing.run = start_run(
            workflow=trigger.workflow,
            input=given,
            priority=trigger.priority,
            origin=trigger.kind,
            by=_owner_of(trigger),
        )
    firing.status = FiringStatus.STARTED


def _owner_of(trigger: Trigger) -> Any:
    owner = trigger.owner
    if owner is None or not owner.is_active:
        raise NotPermitted("The person this trigger acts for is gone; save it again to act for you.")
    return owner
