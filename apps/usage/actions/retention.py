"""What becomes of old rows: like calls of a quarter of an hour become one sum. Nothing that was spent is forgotten."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.usage.models import ModelCall

QUARTER = timedelta(minutes=15)
"""Every time zone's days begin at a quarter of an hour, so sums by day stay what they were."""
KEPT = ("team_id", "workflow", "agent", "connection", "model", "user_id")
ADDED = ("calls", "failed", "runs", "input_tokens", "output_tokens", "cost", "seconds")
MOST_ROWS = 5_000


def roll_up(now: datetime | None = None, *, seconds: float = 60.0) -> int:
    """Replace calls that are older than ORCHESTRA_KEEP_CALLS_DAYS (0: none) by their sums, for at most so many seconds.

    Run and node are forgotten by that, not what they spent. Return how many calls were taken into sums; what is left
    goes the next time.
    """
    days = settings.ORCHESTRA_KEEP_CALLS_DAYS
    if not days:
        return 0
    limit = _quarter((now or timezone.now()) - timedelta(days=days))
    stop_at = time.monotonic() + seconds
    taken = 0
    while time.monotonic() < stop_at:
        count = _roll_up_oldest(limit)
        taken += count
        if not count:
            break
    return taken


def _roll_up_oldest(limit: datetime) -> int:
    """Take the oldest quarter of an hour into sums; return how many calls that were."""
    details = ModelCall.objects.filter(run__isnull=False, at__lt=limit)
    first = details.order_by("at").values_list("at", flat=True).first()
    if first is None:
        return 0
    start = _quarter(first)
    with transaction.atomic():
        rows = details.filter(at__gte=start, at__lt=start + QUARTER).order_by("id").select_for_update()
        found = list(rows[:MOST_ROWS])
        sums = _sums(found, start)
        ModelCall.objects.filter(pk__in=[row.pk for row in found]).delete()
        ModelCall.objects.bulk_create(sums)
    return len(found)


def _sums(rows: Iterable[ModelCall], start: datetime) -> list[ModelCall]:
    groups: dict[tuple[Any, ...], list[ModelCall]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, name) for name in KEPT)].append(row)
    return [
        ModelCall(
            at=start,
            **dict(zip(KEPT, key, strict=True)),
            **{name: sum(getattr(row, name) for row in same) for name in ADDED if name != "runs"},
            runs=len({row.run for row in same}),
        )
        for key, same in groups.items()
    ]


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
