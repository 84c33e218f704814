"""The one door from the apps to the broker: after the commit, names and ids only, and never the caller's problem.

A message is a hint to look at the database. When it cannot be sent, the run stays queued and the upkeep sends it
again, so a broker that is away costs time and nothing else.
"""

from __future__ import annotations

from functools import partial

import structlog
from django.db import transaction

from apps.runs.models import Run
from orchestra.celery import ADVANCE, BrokerAway, publish

log = structlog.get_logger(__name__)


def send_after_commit(run: Run) -> None:
    """Ask for a run to be advanced once the current transaction has been committed."""
    transaction.on_commit(partial(send_advance, str(run.pk), run.priority))


def send_advance(run: str, priority: int) -> bool:
    """Send one hint; False when the broker cannot be reached."""
    try:
        publish(ADVANCE, queue="control", priority=priority, run=run)
    except BrokerAway as error:
        log.warning("broker_away", run=run, error=str(error))
        return False
    return True
