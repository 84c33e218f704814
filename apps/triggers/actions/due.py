"""Schedules that are due, and firings that waited for a run to end; called every second by the upkeep.

Safe by two at once: the row is locked, its `next_at` moves in the transaction that starts the run, and the firing's
key is the due time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.triggers import schedules
from apps.triggers.actions.firing import Cause, fire_locked, start_queued
from apps.triggers.models import Firing, FiringStatus, Kind, Misfire, Trigger

log = structlog.get_logger(__name__)

LATE = timedelta(seconds=30)
"""A due time that is older was missed; the misfire policy decides about it."""
BATCH = 200


def start_due(now: datetime | None = None) -> int:
    """Fire every schedule that is due; return how many firings there were."""
    now = now or timezone.now()
    due = Trigger.objects.of_kind(Kind.SCHEDULE).filter(next_at__lte=now).order_by("next_at")
    return sum(_fire_due(key, now) for key in list(due.values_list("pk", flat=True)[:BATCH]))


def release_queued() -> int:
    """Start what waited for the trigger's run before, where that has ended; return how many."""
    waiting = Firing.objects.filter(status=FiringStatus.QUEUED, trigger__is_enabled=True).order_by()
    started = 0
    for key in list(waiting.values_list("trigger_id", flat=True).distinct()[:BATCH]):
        with transaction.atomic():
            trigger = _locked(key)
            started += trigger is not None and start_queued(trigger)
    return started


def due_times(trigger: Trigger, now: datetime) -> tuple[list[datetime], int]:
    """Return the due times to fire, the oldest first, and how many missed ones are left out (at least)."""
    given = trigger.settings
    if trigger.next_at is None:
        return [], 0
    most = int(given["catch_up"])
    found = schedules.passed(
        given["cron"], given["time_zone"], trigger.next_at, now, most + int(LATE.total_seconds())
    )
    missed = [at for at in found if at < now - LATE]
    fresh = found[len(missed) :]
    if given["misfire"] == Misfire.SKIP:
        kept = []
    elif given["misfire"] == Misfire.ALL:
        kept = missed[-most:]
    else:
        kept = missed[-1:] if not fresh else []
    return kept + fresh, len(missed) - len(kept)


def _fire_due(key: UUID, now: datetime) -> int:
    with transaction.atomic():
        trigger = _locked(key)
        if trigger is None or trigger.next_at is None or trigger.next_at > now or not trigger.is_enabled:
            return 0
        try:
            times, missed = due_times(trigger, now)
            trigger.next_at = schedules.following(
                trigger.settings["cron"], trigger.settings["time_zone"], now
            )
        except schedules.BadSchedule as error:  # a time zone that this machine has not
            log.warning("schedule_unreadable", trigger=str(key), error=str(error))
            times, missed, trigger.next_at = [], 0, None
            trigger.refused_at, trigger.refused_why = now, str(error)[:200]
        trigger.save(update_fields=["next_at", "refused_at", "refused_why"])
        if missed:
            log.info("due_times_missed", trigger=str(key), count=missed)
        for at in times:
            text = at.isoformat().replace("+00:00", "Z")
            fire_locked(trigger, Cause(key=text, due_at=at, scope={"due_at": text}))
    return len(times)


def _locked(key: UUID) -> Trigger | None:
    """Return the trigger with its row locked; None when another process has it just now."""
    skips = connection.features.has_select_for_update_skip_locked
    rows = Trigger.objects.select_for_update(of=("self",), skip_locked=skips)
    found: Trigger | None = rows.select_related("workflow__published", "owner").filter(pk=key).first()
    return found
