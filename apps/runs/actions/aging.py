"""Aging: what has waited long is sent again with a higher priority, so that a run of low priority is never starved.

Brokers hand out strictly by priority, and while more urgent work keeps coming they would never reach the rest. Each
period of waiting (`ORCHESTRA_AGING_SECONDS`) raises what waits by one step, up to critical, where the oldest is first.
A message too many does no harm: the node is claimed once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, Q
from django.utils import timezone

from apps.runs.dispatch import send_raised
from apps.runs.models import NodeRun, PriorityLevel, Run
from orchestra.engine.status import NodeStatus, RunStatus

RAISED_AT_ONCE = 200


def aged(priority: int, waited_seconds: float) -> int:
    """Return the priority after so many seconds of waiting: a step up for each period, critical at most."""
    steps = int(max(0.0, waited_seconds) // settings.ORCHESTRA_AGING_SECONDS)
    return min(int(PriorityLevel.CRITICAL), priority + steps)


def raise_waiting() -> int:
    """Send again, with a higher priority, for the runs that have waited longest; return how many.

    That is a run of which something has been queued for at least one period while nothing of it was begun.
    """
    now = timezone.now()
    limit = now - timedelta(seconds=settings.ORCHESTRA_AGING_SECONDS)
    found = [*_not_started(limit), *_not_served(limit)]
    Run.objects.filter(pk__in=[run for run, _priority, _since in found]).update(dispatched_at=now)
    for run, priority, since in found:
        send_raised(str(run), aged(priority, (now - since).total_seconds()))
    return len(found)


def _not_started(limit: datetime) -> list[tuple[UUID, int, datetime]]:
    waiting = _sent_before(limit).filter(status=RunStatus.QUEUED, is_held=False, created_at__lt=limit)
    return list(waiting.order_by("created_at").values_list("id", "priority", "created_at")[:RAISED_AT_ONCE])


def _not_served(limit: datetime) -> list[tuple[UUID, int, datetime]]:
    mine = NodeRun.objects.filter(run=OuterRef("pk"))
    served = Exists(mine.filter(Q(status=NodeStatus.RUNNING) | Q(started_at__gte=limit)))
    oldest = Min("node_runs__queued_at", filter=Q(node_runs__status=NodeStatus.QUEUED))
    waiting = (
        _sent_before(limit)
        .filter(Exists(mine.filter(status=NodeStatus.QUEUED, queued_at__lt=limit)), ~served)
        .filter(status=RunStatus.RUNNING)
        .annotate(since=oldest)
    )
    return list(waiting.order_by("since").values_list("id", "priority", "since")[:RAISED_AT_ONCE])


def _sent_before(limit: datetime) -> Any:
    is_old = Q(dispatched_at=None) | Q(dispatched_at__lt=limit)
    return Run.objects.filter(is_old, priority__lt=PriorityLevel.CRITICAL)
