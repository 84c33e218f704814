"""Nodes that wait for the world: laying them down, and what was there before they waited."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.runs.actions.assignees import find_assignees
from apps.runs.actions.assigning import make_assignment
from apps.runs.actions.operations import Facts
from apps.runs.actions.withdrawing import withdraw_approvals
from apps.runs.events import EventLog, Label
from apps.runs.models import Approval, Run, Signal
from apps.runs.rows import NodeRow, RunRow
from orchestra.engine.context import LIMIT
from orchestra.engine.nodes import approval, handover, wait, workflow
from orchestra.engine.outcome import Done, Suspend
from orchestra.engine.status import FINAL_RUN, EventType, NodeStatus

RETRY = "retry"
"""`waiting_for` of a node run between two attempts."""


TOLD = {"reason": "reason", "run": "child"}
"""What of a suspended node's data its event tells, by the name it has there."""

MOST_CHILDREN = 1_000
"""Ends of child runs that one advance takes; the next takes the rest."""


class WaitingNodes(ABC):
    """The part of a run's state that knows nodes which wait."""

    row: RunRow
    facts: Facts
    log: EventLog
    label: Label
    has_assigned = False
    """Whether there is something new for remote agents."""

    @abstractmethod
    def load(self, paths: Iterable[str]) -> list[NodeRow]: ...
    @abstractmethod
    def make_ready(self, found: Iterable[NodeRow]) -> None: ...
    @abstractmethod
    def touch(self, row: NodeRow) -> NodeRow: ...
    @abstractmethod
    def event(self, type_: EventType, node: str = "", **data: Any) -> None: ...
    @abstractmethod
    def wake(self, row: NodeRow, outcome: Done) -> None: ...

    def suspend(self, row: NodeRow, outcome: Suspend) -> None:
        """Lay a node run down until the world acts; if it has acted already, go on at once."""
        row.status = NodeStatus.WAITING
        row.waiting_for = outcome.waiting_for
        row.worker = ""
        is_postponed = outcome.waiting_for.startswith(LIMIT)
        row.attempt -= is_postponed or "call" in outcome.data  # what follows is the same attempt
        row.due_at = outcome.due_at
        if outcome.due_in is not None:
            row.due_at = self.log.now + timedelta(seconds=outcome.due_in)
        due = row.due_at.isoformat().replace("+00:00", "Z") if row.due_at else None
        told = {TOLD[name]: value for name, value in outcome.data.items() if name in TOLD}
        self.event(EventType.NODE_WAITING, row.path, waiting_for=outcome.waiting_for, due_at=due, **told)
        self.touch(row)
        if is_postponed:
            return
        if row.kind == wait.KIND.name and row.waiting_for != wait.TIME:
            self._take_kept_signal(row)
        elif row.waiting_for == approval.WAITING_FOR:
            self._ask(row, outcome.data)
        elif row.waiting_for == handover.WAITING_FOR:
            self._assign(row, outcome.data)
        elif row.waiting_for == workflow.WAITING_FOR:
            row.items_total = 1  # its end is taken by a second turn of the same attempt
            self._take_children([row])

    def take_ended_children(self) -> None:
        """Make the nodes ready whose child runs have ended."""
        if workflow.KIND.name in self.facts.plan.kinds:
            ended = self._ended_children()[:MOST_CHILDREN].values_list("parent_path", flat=True)
            waiting = [row for row in self.load(ended) if row.status == NodeStatus.WAITING]
            self.make_ready(row for row in waiting if row.waiting_for == workflow.WAITING_FOR)

    def _take_children(self, found: list[NodeRow]) -> None:
        ended = self._ended_children().filter(parent_path__in=[row.path for row in found])
        paths = set(ended.values_list("parent_path", flat=True))
        self.make_ready(row for row in found if row.path in paths)

    def _ended_children(self) -> QuerySet[Run]:
        return Run.objects.filter(parent_id=UUID(self.row.id), is_awaited=True, status__in=FINAL_RUN)

    def let_go_of_child(self, row: NodeRow) -> None:
        """Note that a node has ended: whatever becomes of its child concerns it no more."""
        if row.kind == workflow.KIND.name:
            awaited = Run.objects.filter(parent_id=UUID(self.row.id), parent_path=row.path, is_awaited=True)
            awaited.update(is_awaited=False)

    def _ask(self, row: NodeRow, asked: Mapping[str, Any]) -> None:
        """Write the approval that a node waits for."""
        found = find_assignees(self.facts.team, asked["assignees"])
        run = UUID(self.row.id)
        earlier = Approval.objects.open().filter(path=row.path)  # the node was started anew
        withdraw_approvals(self.row, earlier, label=self.label, log=self.log)
        made = Approval.objects.create(
            team_id=UUID(self.facts.team),
            run_id=run,
            path=row.path,
            role=found.role,
            requested_at=self.log.now,
            due_at=row.due_at,
            **asked,
        )
        made.people.set(found.people)
        made.assigned_teams.set(found.teams)
        self.event(
            EventType.APPROVAL_REQUESTED,
            row.path,
            approval=str(made.pk),
            title=made.title,
            assignees=made.assignees,
            quorum=made.quorum,
        )

    def _assign(self, row: NodeRow, asked: Mapping[str, Any]) -> None:
        """Write the assignment that a node waits for; its end is taken by a second turn of the same attempt."""
        row.items_total = 1
        own = self.facts.plan.at(row.scope).nodes[row.node].priority
        priority = self.row.priority if own is None else own
        make_assignment(row, team=self.facts.team, priority=priority, asked=asked, now=self.log.now)
        self.has_assigned = True

    def _take_kept_signal(self, row: NodeRow) -> None:
        name = row.waiting_for.removeprefix(wait.signal_key(""))
        kept = Signal.objects.filter(run_id=UUID(self.row.id), name=name).first()
        if kept is not None:
            kept.delete()
            self.wake(row, wait.on_signal(kept.payload))
