"""Removing what is old: ended runs with all that belongs to them, and leftovers of canvases.

Everything goes in small transactions, the largest tables first, so that no lock is held for long and a process that
stops in the middle has lost nothing: the run's own row goes last.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apps.runs.figures import first_id_at
from apps.runs.models import CanvasPart, Event, NodeRun, Run
from orchestra.engine.status import FINAL_RUN

BATCH_OF_ROWS = 2000
BATCH_OF_RUNS = 50
CANVAS_KEPT = timedelta(days=1)


def purge_runs(now: datetime | None = None, *, seconds: float = 60.0) -> int:
    """Delete runs that ended longer than ORCHESTRA_KEEP_RUNS_DAYS ago (0: none), for at most so many seconds.

    Return how many runs went; what is left goes the next time.
    """
    days = settings.ORCHESTRA_KEEP_RUNS_DAYS
    if not days:
        return 0
    limit = (now or timezone.now()) - timedelta(days=days)
    stop_at = time.monotonic() + seconds
    gone = 0
    while time.monotonic() < stop_at:
        keys = _ended_before(limit)
        for key in keys:
            if not _purge(key, stop_at):
                return gone
            gone += 1
        if len(keys) < BATCH_OF_RUNS:
            break
    return gone


def purge_canvas_parts(now: datetime | None = None) -> int:
    """Delete a batch of counters of canvases that never completed; return how many."""
    limit = (now or timezone.now()) - CANVAS_KEPT
    return _delete_batch(CanvasPart.objects.filter(created_at__lt=limit))


def _ended_before(limit: datetime) -> list[UUID]:
    """Return the oldest runs that ended before a moment; ids rise with the time, so this reads one end of the table."""
    old = Run.objects.filter(pk__lt=first_id_at(limit), finished_at__lt=limit, status__in=FINAL_RUN)
    return list(old.order_by("pk").values_list("pk", flat=True)[:BATCH_OF_RUNS])


def _purge(key: UUID, stop_at: float) -> bool:
    """Delete one run, its events and node runs first; False when the time is up before it is gone."""
    for rows in (Event.objects.filter(run_id=key), NodeRun.objects.filter(run_id=key)):
        while _delete_batch(rows) == BATCH_OF_ROWS:
            if time.monotonic() > stop_at:
                return False
    Run.objects.filter(pk=key).delete()
    return True


def _delete_batch(rows: Any) -> int:
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_OF_ROWS])
    return int(rows.model.objects.filter(pk__in=keys).delete()[0]) if keys else 0
