"""One run inside one transaction: what claiming, recording and settling do to its rows.

Everything here happens under the run's row lock, so it is plain sequential logic: read rows, decide with the
pure engine, change rows, note events. `commit` writes it all at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from apps.runs import rows
from apps.runs.actions.effects import note_outcome, park_result
from apps.runs.actions.items import ItemScopes
from apps.runs.actions.operations import Facts, HandBack, Record
from apps.runs.actions.spending import StoppedAttempts, add_usage, entries_of
from apps.runs.actions.waits import RETRY, WaitingNodes
from apps.runs.events import EventLog, Label
from apps.runs.rows import NodeRow, RunRow
from orchestra.engine.nodes import agent
from orchestra.engine.outcome import Done, Expand, Failed, Iterate, Skipped, Suspend, Usage
from orchestra.engine.plan import ITEM, UNDO, path_of
from orchestra.engine.progress import Arrival, Count, settle
from orchestra.engine.status import FINAL_NODE, EventType, NodeStatus, RunStatus


class RunState(ItemScopes, WaitingNodes, StoppedAttempts):
    def __init__(self, row: RunRow, facts: Facts, log: EventLog, worker: str) -> None:
        self.row = row
        self.facts = facts
        self.log = log
        self.worker = worker
        self.label = Label(facts.team, facts.workflow, facts.number)
        self.nodes: dict[str, NodeRow] = {}
        self.changed: dict[str, NodeRow] = {}
        self.opened: list[NodeRow] = []
        self.ready: list[NodeRow] = []
        """Node runs that became ready in the current operation, in plan order."""
        self.ended_at = log.now
        """When the attempt ended that the current operation reports."""

    # Rows ------------------------------------------------------------------------------------
    def load(self, paths: Iterable[str]) -> list[NodeRow]:
        """Return the rows of these paths, reading in one statement those not yet at hand."""
        wanted = list(paths)
        missing = [path for path in wanted if path not in self.nodes]
        if missing:
            for row in rows.nodes_at((self.row.id, path) for path in missing):
                self.nodes[row.path] = row
        return [self.nodes[path] for path in wanted if path in self.nodes]

    def touch(self, row: NodeRow) -> NodeRow:
        self.nodes[row.path] = row
        if row.id:
            self.changed[row.path] = row
        return row

    def event(self, type_: EventType, node: str = "", **data: Any) -> None:
        self.log.add(self.row, type_, node=node, label=self.label, **data)

    # Claiming --------------------------------------------------------------------------------
    @property
    def is_open(self) -> bool:
        """Whether anything of the run may be begun now."""
        return self.row.status in (RunStatus.RUNNING, RunStatus.WAITING)

    def is_open_for(self, epoch: int) -> bool:
        return self.row.epoch == epoch and self.is_open

    def claim(self, row: NodeRow) -> NodeRow:
        """Give a queued node run to this worker: next attempt, new fence."""
        row.status = NodeStatus.RUNNING
        row.attempt += row.items_total is None
        row.fence += 1
        row.worker = self.worker
        row.waiting_for = ""
        row.due_at = None
        if row.items_total is None or row.started_at is None:
            row.started_at = self.log.now
        _keep_order(row)
        row.finished_at = None
        self.event(EventType.NODE_STARTED, row.path, attempt=row.attempt, kind=row.kind)
        return self.touch(row)

    def may_resume(self, row: NodeRow, fence: int) -> bool:
        """Say whether the worker that laid a node down for a short back-off still holds it."""
        return row.status == NodeStatus.WAITING and row.waiting_for == RETRY and row.fence == fence

    def hand_back(self, row: NodeRow, reason: str) -> None:
        """Queue a running node run again without charging the attempt."""
        row.status = NodeStatus.QUEUED
        row.attempt -= row.items_total is None  # as the claim has counted
        row.fence += 1
        row.worker = ""
        row.queued_at = self.log.now
        self.event(EventType.NODE_QUEUED, row.path, reason=reason)
        self.touch(row)

    # Recording -------------------------------------------------------------------------------
    def record(self, operation: Record) -> bool:
        """Apply an outcome; False when the reporter no longer holds the node run (its result is dropped)."""
        row = self.held(operation)
        if row is None:
            self._park(operation)
            self.charge_stopped(operation.path, operation.hold, getattr(operation.outcome, "usage", None))
            return False
        outcome = operation.outcome
        if self.facts.plan.has_effects and self.facts.plan.at(row.scope).nodes[row.node].effect:
            note_outcome(self.row.id, row.path, outcome, self.log.now)
        row.started_at = operation.started_at or row.started_at
        _keep_order(row)
        self.ended_at = operation.ended_at or self.log.now
        if operation.input is not None:
            row.input = operation.input
        row.has_result = True
        match outcome:
            case Expand():
                self.open_items(self.touch(row), outcome)
            case Iterate():
                self.open_iteration(self.touch(row), outcome)
            case Suspend():
                self._charge(row, outcome.usage)
                self.suspend(row, outcome)
            case Failed() if outcome.retry_after is not None:
                self._retry(row, outcome, outcome.retry_after)
            case _:
                self._end(row, outcome)
        return True

    def held(self, operation: Record | HandBack) -> NodeRow | None:
        """Return the node run that an operation reports on, if the reporter still holds it."""
        fence = operation.hold.fences.get(operation.path)
        found = self.load([operation.path]) if fence is not None else []
        holds = bool(found) and found[0].status == NodeStatus.RUNNING and found[0].fence == fence
        return found[0] if holds else None

    def _park(self, operation: Record) -> None:
        """Keep what a reporter says of an effect after its node run was taken from it."""
        fence = operation.hold.fences.get(operation.path)
        if fence is not None and self.facts.plan.has_effects:
            park_result(self.row.id, operation.path, fence, operation.outcome)

    def fail(self, row: NodeRow, outcome: Failed) -> None:
        """End a node run that nobody will report on any more."""
        self._end(row, outcome)

    def wake(self, row: NodeRow, outcome: Done) -> None:
        """End a node run that waits, by what it waited for."""
        row.has_result = True
        row.due_at = None
        self._end(row, outcome)

    def _retry(self, row: NodeRow, outcome: Failed, delay: float) -> None:
        self._note_attempt(row, outcome)
        self._charge(row, outcome.usage)
        row.error = dict(outcome.error)
        row.status = NodeStatus.WAITING
        row.waiting_for = RETRY
        if row.kind == agent.KIND.name:
            row.items_total = None  # the next attempt begins with its first turn again
        row.due_at = self.log.now + timedelta(seconds=delay)
        data = {"attempt": row.attempt, "delay": round(delay, 3), "error": row.error, **_calls_of(row)}
        self.event(EventType.NODE_RETRYING, row.path, **data)
        self.touch(row)

    def _end(self, row: NodeRow, outcome: Done | Skipped | Failed) -> None:
        row.finished_at = self.ended_at
        row.waiting_for = ""
        row.worker = ""
        ports: tuple[str, ...] = ()
        match outcome:
            case Done():
                row.status, row.output, ports, row.error = (
                    NodeStatus.SUCCEEDED,
                    outcome.output,
                    outcome.ports,
                    None,
                )
                self._charge(row, outcome.usage)
                self._note_attempt(row, outcome)
            case Failed():
                row.status, row.output, ports = NodeStatus.FAILED, outcome.output, outcome.ports
                row.error, row.is_handled = dict(outcome.error), outcome.is_handled or row.kind == "item"
                self._charge(row, outcome.usage)
                self._note_attempt(row, outcome)
            case Skipped():
                row.status = NodeStatus.SKIPPED
        row.ports = list(ports)
        self.touch(row)
        self._say_ended(row)
        self.let_go_of_child(row)
        self.settle(row, ports)

    def _note_attempt(self, row: NodeRow, outcome: Done | Failed) -> None:
        failure = outcome if isinstance(outcome, Failed) else None
        row.attempts = [
            *row.attempts,
            {
                "attempt": row.attempt,
                "worker": row.worker or self.worker,
                "started_at": _text(row.started_at),
                "finished_at": _text(self.ended_at),
                "status": "failed" if failure else "succeeded",
                "error": dict(failure.error) if failure else None,
                **({"cached": True} if isinstance(outcome, Done) and outcome.is_cached else {}),
                **({"calls": [dict(call) for call in outcome.calls]} if outcome.calls else {}),
            },
        ]

    def _charge(self, row: NodeRow, usage: Usage | None) -> None:
        if usage is None:
            return
        row.model = usage.model or row.model
        add_usage(row, usage)
        add_usage(self.row, usage)
        self.log.calls.extend(entries_of(self.facts, row, usage.calls))

    def _say_ended(self, row: NodeRow) -> None:
        if row.node != ITEM:
            self.row.nodes_done += 1
        data: dict[str, Any] = {"done": self.row.nodes_done, "total": self.row.nodes_total}
        if row.error is not None:
            data["error"] = row.error
        if row.has_result and row.attempts and row.attempts[-1].get("cached"):
            data["cached"] = True
        if row.has_result:
            data |= _calls_of(row)
        if row.input_tokens or row.output_tokens:
            data["usage"] = {
                "input_tokens": row.input_tokens,
                "output_tokens": row.output_tokens,
                "cost": round(float(row.cost), 8),
            }
        self.event(EventType(f"node.{row.status}"), row.path, **data)

    # Settling --------------------------------------------------------------------------------
    def settle(self, row: NodeRow, ports: Collection[str]) -> None:
        """Let the end of a node run reach its successors, its scope, its map and its run."""
        plan = self.facts.plan.at(row.scope)
        progress = settle(
            plan, [Arrival(row.node, tuple(ports))], lambda nodes: self._counts(row.scope, nodes)
        )
        for node, count in progress.counts.items():
            joined = self.load([path_of(row.scope, node)])[0]
            if joined.items_total is not None:
                continue  # a join that decided early and has opened its items: it counts those now
            joined.unsettled, joined.live, joined.is_decided = count.unsettled, count.live, count.is_decided
            self.touch(joined)
        for skipped in self.load(path_of(row.scope, node) for node in progress.skipped):
            self._skip(skipped)
        self.make_ready(self.load(path_of(row.scope, node) for node in progress.ready))
        if not row.scope:
            self.row.unsettled -= 1 + len(progress.skipped)
        elif row.owner.endswith(UNDO):
            self.row.unsettled -= row.node == ITEM
        elif row.node == ITEM:
            self.item_ended(row)

    def _counts(self, scope: str, nodes: Collection[str]) -> Mapping[str, Count]:
        found = self.load(path_of(scope, node) for node in nodes)
        return {row.node: Count(row.unsettled, row.live, row.is_decided) for row in found}

    def _skip(self, row: NodeRow) -> None:
        row.status = NodeStatus.SKIPPED
        row.finished_at = self.log.now
        self.touch(row)
        self._say_ended(row)

    def make_ready(self, found: Iterable[NodeRow]) -> None:
        for row in found:
            if row.status in FINAL_NODE:
                continue
            row.status = NodeStatus.QUEUED
            row.queued_at = self.log.now
            self.ready.append(self.touch(row))


def _keep_order(row: NodeRow) -> None:
    """Let no node run seem queued after it began: maps are queued again, what ran ahead is recorded late."""
    if row.queued_at is not None and row.started_at is not None:
        row.queued_at = min(row.queued_at, row.started_at)


def _text(at: Any) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _calls_of(row: NodeRow) -> dict[str, Any]:
    """Return the model calls of the last attempt for an event, where there was more than one plain one."""
    calls: Sequence[Mapping[str, Any]] = row.attempts[-1].get("calls", ()) if row.attempts else ()
    is_plain = len(calls) == 1 and calls[0].keys() <= {"connection", "model", "status", "seconds", "count"}
    return {} if not calls or is_plain else {"calls": calls}
