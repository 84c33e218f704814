"""The Celery app, its queues and the names of its tasks (plain strings: the wire contract).

Entry points import this module themselves; importing the package `orchestra` must not import Celery.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from kombu.utils.uuid import uuid

from orchestra.errors import Unavailable
from orchestra.tracing import headers_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
"""Otherwise each worker imports every page and every URL to check what `manage.py check` has checked."""

QUEUES = ("llm", "io", "cpu", "control")
ADVANCE = "orchestra.advance"
RUN_SEGMENT = "orchestra.run_segment"
FEED = "orchestra.feed"
JOIN = "orchestra.join"
PROBE = "orchestra.probe"

HIGHEST = 3
"""Priorities on the wire rise with urgency (low 0 … critical 3); Redis counts the other way round."""


class BrokerAway(Unavailable):
    """The message broker cannot be reached; nothing is lost, it is sent when the broker is back."""

    code = "broker_away"


app = Celery("orchestra")
app.config_from_object("django.conf:settings", namespace="CELERY")
QUEUE_ARGUMENTS = {"x-max-priority": HIGHEST} if app.conf.broker_url.startswith("amqp") else {}
"""Classic queues: a quorum queue knows no four priorities, and what a broker loses is sent again anyway."""
app.conf.task_queues = [
    Queue(name, Exchange(name), routing_key=name, queue_arguments=QUEUE_ARGUMENTS)  # type: ignore[no-untyped-call]  # kombu is untyped
    for name in QUEUES
]
app.conf.task_default_queue = "control"
app.autodiscover_tasks(["workers"], related_name="tasks")


def publish(name: str, *, queue: str, priority: int = 1, trace: str = "", **arguments: Any) -> None:
    """Send one message: names and ids only, `trace` in its header. Raises BrokerAway when it cannot be sent."""
    try:
        with app.producer_or_acquire() as producer:
            _send(producer, name, arguments, queue, wire_priority(priority), headers_of(trace))
    except (OperationalError, OSError) as error:
        raise BrokerAway(str(error)) from error


def _send(
    producer: Producer,
    name: str,
    arguments: dict[str, Any],
    queue: str,
    priority: int,
    headers: dict[str, str] | None,
) -> None:
    """Send without what Celery does for results, routes and canvases: a third of the time."""
    message = app.amqp.as_task_v2(
        uuid(), name, kwargs=arguments, ignore_result=True, argsrepr="", kwargsrepr=""
    )
    link = producer.connection
    try:
        app.amqp.send_task_message(
            producer, name, message, queue=queue, priority=priority, retry=False, headers=headers
        )
    except (*link.recoverable_connection_errors, *link.recoverable_channel_errors) as error:
        raise BrokerAway(str(error)) from error


def wire_priority(priority: int) -> int:
    """Map 0 (low) … 3 (critical) to the broker's scale: RabbitMQ higher first, Redis lower first."""
    if app.conf.broker_url.startswith("amqp"):
        return priority
    return 3 * (HIGHEST - priority)
