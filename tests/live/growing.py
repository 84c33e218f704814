"""A run whose log a test writes, as the recorder does: the row locked, the events with it, the broadcast after."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.runs.events import envelope_of
from apps.runs.live import broadcast
from apps.runs.models import Event, NodeRun, Run

Frames = list[tuple[str, dict[str, Any]]]


class Growing:
    """One run; `log` writes an event, `tell` sends what was written."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.id = str(run.pk)
        self.topic = f"run:{self.id}"

    @property
    def path(self) -> str:
        return f"/api/v1/runs/{self.id}/events"

    def log(self, type_: str, node: str = "", *, status: str = "", **data: Any) -> Frames:
        """Write an event and commit; return what there is to tell about it."""
        with transaction.atomic():
            run = Run.objects.select_for_update().select_related("workflow").get(pk=self.run.pk)
            run.seq += 1
            run.status = status or run.status
            run.save(update_fields=["seq", "status"])
            event = Event.objects.create(
                run=run, seq=run.seq, type=type_, node=node, at=timezone.now(), data=data
            )
        envelope = envelope_of(self.id, run.seq, type_, node, event.at, data)
        frames: Frames = [(self.topic, envelope)]
        if not node:
            listed = {**data, "workflow": run.workflow.slug, "number": run.number, "status": run.status}
            frames.append((f"team:{run.team_id}", {**envelope, "data": listed}))
        return frames

    def tell(self, type_: str, node: str = "", *, status: str = "", **data: Any) -> None:
        """Write an event and broadcast it."""
        broadcast(self.log(type_, node, status=status, **data))

    def many(self, count: int) -> None:
        """Write events and tell nobody."""
        with transaction.atomic():
            run = Run.objects.select_for_update().get(pk=self.run.pk)
            now = timezone.now()
            Event.objects.bulk_create(
                Event(run=run, seq=run.seq + 1 + index, type="node.started", node=f"n{index}", at=now)
                for index in range(count)
            )
            run.seq += count
            run.save(update_fields=["seq"])

    def node(self, path: str, status: str = "running", attempt: int = 1) -> NodeRun:
        return NodeRun.objects.create(
            run=self.run, path=path, node=path, kind="llm", queue="llm", status=status, attempt=attempt
        )
