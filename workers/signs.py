"""Signs of the broker: what waits there, whether it lost its memory, and the probes that measure its delay."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone
from kombu.connection import Connection

from apps.runs.actions import probes
from orchestra.celery import PROBE, QUEUES, BrokerAway, app, publish

log = structlog.get_logger(__name__)

MARKER = "orchestra:marker"
"""A key that stands in a Redis broker for as long as it remembers; RabbitMQ keeps what it has confirmed."""


def send_probes() -> int:
    """Send the probes that are due; return how many."""
    due = probes.due_probes(QUEUES, is_waiting=is_backlogged)
    try:
        for queue, number in due:
            publish(PROBE, queue=queue, priority=0, source=queue, number=number)
    except BrokerAway as error:
        log.warning("broker_away", error=str(error))
    return len(due)


def is_late(queue: str) -> bool:
    """Say whether what nobody took for too long may still be waiting in its queue, so that it is not lost.

    A probe that was sent later and has come through proves the contrary; without one the broker's count decides.
    """
    limit = timezone.now() - timedelta(seconds=settings.ORCHESTRA_RESCUE_SECONDS)
    return not probes.is_proven_gone(queue, limit) and is_backlogged(queue)


def is_backlogged(queue: str) -> bool:
    """Say whether messages wait in a queue."""
    with app.connection_for_read() as broker:
        try:
            with broker.channel() as channel:
                return bool(channel.queue_declare(queue, passive=True).message_count)
        except _away(broker) as error:
            log.info("broker_away", error=str(error))
            return False


def has_forgotten() -> bool:
    """Say whether a Redis broker lost its memory since the last time this was asked, and set the marker again."""
    with app.connection_for_write() as broker:
        if broker.transport.driver_type != "redis":
            return False
        try:
            with broker.channel() as channel:
                return bool(channel.client.set(MARKER, "1", nx=True))
        except _away(broker) as error:
            log.info("broker_away", error=str(error))
            return False


def _away(broker: Connection) -> tuple[type[Exception], ...]:
    """Return what a broker that is away, or has no such queue, is met with: it is asked again in a second."""
    return (OSError, *broker.connection_errors, *broker.channel_errors)
