"""The one door from the apps to the broker: after the commit, names and ids only, and never the caller's problem.

A message is a hint to look at the database. When it cannot be sent, the run stays queued and the upkeep sends it
again, so a broker that is away costs time and nothing else.
"""

from __future__ import annotations

from functools import partial

import structlog
from django.db import transaction

from apps.runs.models import Run
from orchestra.celery import ADVANCE, RUN_SEGMENT, BrokerAway, publish
from orchestra.engine.plan import Plan

log = structlog.get_logger(__name__)


def advance_after_commit(run: Run) -> None:
    """Have whatever of a run is queued sent out once the current transaction has been committed."""
    transaction.on_commit(partial(send_advance, str(run.pk), run.priority))


def send_after_commit(run: Run, plan: Plan) -> None:
    """Have a new run started once the current transaction has been committed."""
    transaction.on_commit(partial(send_start, run, plan))


def send_start(run: Run, plan: Plan) -> bool:
    """Send for the first node where there is only one, otherwise for whoever sends out several; False as below."""
    if len(plan.starts) != 1:
        return send_advance(str(run.pk), run.priority)
    node = plan.nodes[plan.starts[0]]
    queue = plan.segments[node.segment].queue
    priority = run.priority if node.priority is None else node.priority
    key, trace = str(run.pk), run.trace
    return _send(RUN_SEGMENT, queue, priority, run=key, trace=trace, path=node.id, epoch=run.epoch)


def send_advance(run: str, priority: int) -> bool:
    """Send one hint; False when the broker cannot be reached."""
    return _send(ADVANCE, "control", priority, run=run)


def send_raised(run: str, priority: int) -> bool:
    """Send one hint for a run that has waited long: whatever is sent out for it takes this priority too."""
    return _send(ADVANCE, "control", priority, run=run, raised_to=priority)


def _send(task: str, queue: str, priority: int, *, run: str, trace: str = "", **arguments: object) -> bool:
    try:
        publish(task, queue=queue, priority=priority, trace=trace, run=run, **arguments)
    except BrokerAway as error:
        log.warning("broker_away", run=run, error=str(error))
        return False
    return True
