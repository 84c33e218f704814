"""The Celery app, its queues and the names of its tasks (plain strings: the wire contract).

Entry points import this module themselves; importing the package `orchestra` must not import Celery.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from orchestra.errors import Unavailable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestra.settings")

QUEUES = ("llm", "io", "cpu", "control")
ADVANCE = "orchestra.advance"
RUN_SEGMENT = "orchestra.run_segment"
FEED = "orchestra.feed"
JOIN = "orchestra.join"

HIGHEST = 3
"""Priorities on the wire rise with urgency (low 0 … critical 3); Redis counts the other way round."""



class BrokerAway(Unavailable):
    """The message broker cannot be reached; nothing is lost, it is sent when the broker is back."""

    code = "broker_away"


app = Celery("orchestra")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [
    Queue(name, queue_arguments={"x-queue-type": "quorum"} if app.conf.broker_url.startswith("amqp") else {})
    for name in QUEUES
]
app.conf.task_default_queue = "control"
app.autodiscover_tasks(["workers"], related_name="tasks")


def publish(name: str, *, queue: str, priority: int = 1, **arguments: Any) -> None:
    """Send one message: names and ids only. Raises BrokerAway when it cannot be sent."""
    try:
        app.signature(name, kwargs=arguments, immutable=True).apply_async(
            queue=queue, priority=wire_priority(priority), retry=False
        )
    except (OperationalError, OSError) as error:
        raise BrokerAway(str(error)) from error


def wire_priority(priority: int) -> int:
    """Map 0 (low) … 3 (critical) to the broker's scale: RabbitMQ higher first, Redis lower first."""
    if app.conf.broker_url.startswith("amqp"):
        return priority
    return 3 * (HIGHEST - priority)
