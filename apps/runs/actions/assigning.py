"""Assignments as a run sees them: made when a node is laid down, withdrawn when it ends, read when they have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, F, QuerySet, Value, When

from apps.agents.models import Presence
from apps.runs.assignments import Assignment, AssignmentStatus
from apps.runs.rows import NodeRow


def make_assignment(
    row: NodeRow, *, team: str, priority: int, asked: Mapping[str, Any], now: datetime
) -> Assignment:
    """Write what a node asks of a remote agent, under the run's lock; what it asked before is withdrawn."""
    withdraw(Assignment.objects.filter(run_id=UUID(row.run_id), path=row.path), now)
    made: Assignment = Assignment.objects.create(
        team_id=UUID(team),
        run_id=UUID(row.run_id),
        path=row.path,
        attempt=row.attempt,
        priority=priority,
        payload=dict(asked["payload"]),
        wanted=asked["agent"],
        requires=asked["requires"],
        strategy=asked["strategy"],
        timeout_seconds=asked["timeout"],
        created_at=now,
    )
    return made


def withdraw(assignments: QuerySet[Assignment], now: datetime) -> None:
    """Cancel those of some assignments that have not ended, and free the slots that they take."""
    held = Counter(
        assignments.filter(status=AssignmentStatus.LEASED).values_list("agent_id", flat=True).order_by()
    )
    open_ones = assignments.filter(status__in=[AssignmentStatus.QUEUED, AssignmentStatus.LEASED])
    open_ones.update(status=AssignmentStatus.CANCELLED, fence=F("fence") + 1, finished_at=now)
    for agent, count in sorted(held.items(), key=str):
        free_slots(agent, count)


def free_slots(agent_id: Any, count: int = 1) -> None:
    """Note that an agent holds so many assignments less."""
    less = Case(When(running__gte=count, then=F("running") - count), default=Value(0))
    Presence.objects.filter(agent_id=agent_id).update(running=less)


def end_of(run: str, path: str) -> Mapping[str, Any]:
    """Return how the last assignment of a node has ended, as `orchestra.engine.nodes.handover.taken` takes it."""
    found = Assignment.objects.filter(run_id=UUID(run), path=path).order_by("-id").first()
    if found is None:
        return {"status": "failed", "error": {"message": "The assignment is gone.", "transient": True}}
    return {
        "status": found.status,
        "output": found.output,
        "error": found.error,
        "usage": found.usage,
        "agent": found.agent_name,
        "choice": found.choice,
    }
