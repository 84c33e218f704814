"""How long messages take: a probe travels each queue, and what it needed is kept in the database.

A probe has the lowest priority, so once it has arrived every message that was sent before it has left the broker.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from apps.runs.models import QueueProbe

EVERY = timedelta(seconds=5)
GIVEN_UP = timedelta(seconds=30)
"""A probe that is not back by then counts as lost, and the next one is sent."""
SLACK = timedelta(seconds=2)
"""Between what a probe shows and what is concluded, for a worker that has taken a message and not yet claimed."""


def due_probes(
    queues: tuple[str, ...],
    now: datetime | None = None,
    *,
    is_waiting: Callable[[str], bool] = lambda queue: False,
) -> list[tuple[str, int]]:
    """Note that the next probes are on their way; return (queue, number) of those to send.

    `is_waiting(queue)` tells whether messages wait there: then the last probe may be among them, and no other joins it,
    so a queue that nobody serves does not fill up.
    """
    now = now or timezone.now()
    known = {probe.queue: probe for probe in QueueProbe.objects.filter(queue__in=queues)}
    sent = []
    for queue in queues:
        probe = known.get(queue) or QueueProbe.objects.get_or_create(queue=queue)[0]
        if probe.sent_at is not None and now - probe.sent_at < (EVERY if probe.is_back else GIVEN_UP):
            continue
        if probe.sent_at is not None and not probe.is_back and is_waiting(queue):
            continue
        QueueProbe.objects.filter(pk=probe.pk).update(number=F("number") + 1, sent_at=now)
        sent.append((queue, probe.number + 1))
    return sent


def note_probe(queue: str, number: int, now: datetime | None = None) -> None:
    """Note that a probe has arrived; an older one than the last sent says nothing any more."""
    now = now or timezone.now()
    probe = QueueProbe.objects.filter(queue=queue, number=number).first()
    if probe is None or probe.sent_at is None or probe.is_back:
        return
    delay = max(0.0, (now - probe.sent_at).total_seconds())
    fresh = Q(seen_number__lt=number)
    QueueProbe.objects.filter(fresh, queue=queue, number=number).update(
        seen_number=number, seen_at=now, proven_at=probe.sent_at, delay_seconds=delay
    )


def is_proven_gone(queue: str, sent_before: datetime) -> bool:
    """Say whether a later probe has come through, so that messages sent before then are no longer in the queue."""
    return QueueProbe.objects.filter(queue=queue, proven_at__gt=sent_before + SLACK).exists()
