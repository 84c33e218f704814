"""How the installation is doing: queues, workers and today's runs, for operators and for monitoring."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from apps.runs.models import NodeRun, QueueProbe, Run, Worker
from orchestra.engine.status import NodeStatus

MOST_LOSSES = 3
"""A node run that lost so many workers is given up."""
QUEUES = ("llm", "io", "cpu", "control")


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """What waits and what runs in one queue; the database counts, not the broker, so nothing is missed."""

    name: str
    queued: int
    running: int
    oldest_queued_at: datetime | None
    delay_seconds: float | None
    """What the last probe message needed, or how long one is under way by now; None before the first."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker process, and whether it still holds its lease."""

    name: str
    queues: list[str]
    pool: str
    slots: int
    busy: int
    version: str
    started_at: datetime
    seen_at: datetime
    is_alive: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def queues() -> list[QueueFigures]:
    """Return the figures of every queue, the empty ones included, in a fixed order."""
    waiting: dict[str, dict[str, Any]] = {
        row["queue"]: dict(row)
        for row in NodeRun.objects.filter(status=NodeStatus.QUEUED)
        .order_by()
        .values("queue")
        .annotate(count=Count("id"), oldest=Min("queued_at"))
    }
    running = dict(
        NodeRun.objects.filter(status=NodeStatus.RUNNING)
        .order_by()
        .values("queue")
        .annotate(count=Count("id"))
        .values_list("queue", "count")
    )
    delays = queue_delays()
    names = [*QUEUES, *sorted((set(waiting) | set(running)) - set(QUEUES))]
    return [
        QueueFigures(
            name=name,
            queued=waiting.get(name, {}).get("count", 0),
            running=running.get(name, 0),
            oldest_queued_at=waiting.get(name, {}).get("oldest"),
            delay_seconds=delays.get(name),
        )
        for name in names
    ]


def queue_delays(now: datetime | None = None) -> dict[str, float]:
    """Return the measured delay of each queue in seconds."""
    now = now or timezone.now()
    found = {}
    for probe in QueueProbe.objects.exclude(sent_at=None):
        is_under_way = probe.sent_at is not None and not probe.is_back
        waits = (now - probe.sent_at).total_seconds() if is_under_way and probe.sent_at else 0.0
        found[probe.queue] = round(max(probe.delay_seconds or 0.0, waits), 3)
    return found


def dead_letters() -> QuerySet[NodeRun]:
    """Return node runs that were given up because worker after worker was lost while running them."""
    poisoned = NodeRun.objects.filter(losses__gte=MOST_LOSSES, status=NodeStatus.FAILED)
    return poisoned.select_related("run__workflow", "run__team").defer("input", "output", "item")


def workers() -> list[WorkerFigures]:
    """Return every worker that has been seen in the last day, the living first."""
    now = timezone.now()
    lease = now - timedelta(seconds=settings.ORCHESTRA_LEASE_SECONDS)
    recent = Worker.objects.filter(
        seen_at__gt=now - timedelta(days=1), slots__gt=0
    )  # the leader's row has none
    found = [
        WorkerFigures(
            name=row.name,
            queues=[part for part in row.queues.split(",") if part],
            pool=row.pool,
            slots=row.slots,
            busy=row.busy,
            version=row.version,
            started_at=row.started_at,
            seen_at=row.seen_at,
            is_alive=row.lost_at is None and row.seen_at > lease,
        )
        for row in recent
    ]
    return sorted(found, key=lambda worker: (not worker.is_alive, worker.name))


def runs_since(moment: datetime) -> dict[str, int]:
    """Return how many runs were made since a moment, by status; reads only the newest end of the index."""
    rows = (
        Run.objects.filter(pk__gte=first_id_at(moment))
        .order_by()
        .values("status")
        .annotate(count=Count("id"))
    )
    return dict(rows.values_list("status", "count"))


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: ids of rows made later sort behind it."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62))
