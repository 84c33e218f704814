"""Group commit: many operations of one worker process, over any number of runs, in one transaction.

The cost of a commit is shared by everything that arrived meanwhile; locks are taken in the order of run ids, so
two processes cannot deadlock. After the commit the events are broadcast and what became ready is handed back to
the caller to be sent out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from apps.runs import live, rows
from apps.runs.actions.facts import FactBook
from apps.runs.actions.finish import finish_run
from apps.runs.actions.operations import (
    Advance,
    Applied,
    Claim,
    Claimed,
    Dispatch,
    Feed,
    HandBack,
    Head,
    Operation,
    Record,
)
from apps.runs.actions.reading import read_claims
from apps.runs.actions.state import RunState
from apps.runs.events import EventLog
from apps.runs.rows import NodeRow
from orchestra.engine.status import EventType, NodeStatus, RunStatus

INLINE_AT_ONCE = 32
"""Stretches of inline nodes that a worker goes on with itself; of more it sends the rest out."""

ADVANCE_LIMIT = 5_000
"""Queued node runs that one `Advance` sends out; the relay sends the rest."""


def commit(operations: Sequence[Operation], *, worker: str, book: FactBook) -> list[Applied]:
    """Apply operations in order and return their answers in the same order.

    An operation on a run that does not exist, was cancelled or has another epoch is refused quietly. Raises
    django.db.Error; then nothing was applied and the caller may try all of it again.
    """
    facts = book.of(operation.run for operation in operations)
    log = EventLog(now=timezone.now())
    with transaction.atomic(), rows.session():
        locked = rows.lock_runs(facts)
        states = {run: RunState(row, facts[run], log, worker) for run, row in locked.items()}
        _preload(states, operations)
        answers = [_apply(states[op.run], op) if op.run in states else _NOTHING for op in operations]
        _save_nodes(states.values())
        for state in states.values():
            finish_run(state)
        claims = read_claims(
            [(states[op.run], row) for op, a in zip(operations, answers, strict=True) for row in a.claimed]
        )
        rows.save_runs([state.row for state in states.values()])
        log.flush()
    live.broadcast(log.frames)
    return [_answer(states.get(op.run), a, claims) for op, a in zip(operations, answers, strict=True)]


class _Draft:
    """What an operation came to, before the claimed node runs' inputs are read."""

    __slots__ = ("accepted", "claimed", "heads")

    def __init__(
        self, accepted: bool = False, claimed: Sequence[NodeRow] = (), heads: Sequence[NodeRow] = ()
    ) -> None:
        self.accepted = accepted
        self.claimed = claimed
        self.heads = heads


_NOTHING = _Draft()


def _preload(states: Mapping[str, RunState], operations: Sequence[Operation]) -> None:
    """Read the rows that the operations name and those they lead to, in one statement for all runs."""
    wanted = {
        (op.run, op.path)
        for op in operations
        if isinstance(op, Claim | Record | HandBack) and op.run in states
    }
    for row in rows.nodes_at(sorted(wanted)):
        states[row.run_id].nodes[row.path] = row


def _apply(state: RunState, operation: Operation) -> _Draft:
    state.ready = []
    match operation:
        case Advance():
            return _advance(state)
        case Claim():
            return _claim(state, operation)
        case Feed():
            return _feed(state, operation)
        case HandBack():
            return _hand_back(state, operation)
        case Record():
            accepted = state.record(operation)
            claimed, heads = _share_out(state, operation)
            return _Draft(accepted, claimed, heads)


def _advance(state: RunState) -> _Draft:
    if state.row.status == RunStatus.QUEUED:
        state.row.status = RunStatus.RUNNING
        state.row.started_at = state.log.now
        state.event(EventType.RUN_STARTED, status=RunStatus.RUNNING)
    if state.row.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return _NOTHING
    state.row.dispatched_at = state.log.now
    return _Draft(True, heads=rows.queued_nodes(state.row.id, None, ADVANCE_LIMIT))


def _claim(state: RunState, operation: Claim) -> _Draft:
    found = state.load([operation.path])
    if not found or not state.is_open_for(operation.epoch):
        return _NOTHING
    row = found[0]
    is_held = operation.fence is not None and state.may_resume(row, operation.fence)
    free = is_held or (operation.fence is None and row.status == NodeStatus.QUEUED)
    return _Draft(True, [state.claim(row)]) if free else _NOTHING


def _feed(state: RunState, operation: Feed) -> _Draft:
    if not state.is_open_for(operation.epoch):
        return _NOTHING
    found = rows.queued_nodes(state.row.id, operation.queue, operation.limit + len(state.changed))
    free = [row for row in found if row.path not in state.changed][: operation.limit]
    return _Draft(bool(free), [state.claim(row) for row in free])


def _hand_back(state: RunState, operation: HandBack) -> _Draft:
    found = state.load([operation.path])
    if not found or found[0].status != NodeStatus.RUNNING or found[0].fence != operation.fence:
        return _NOTHING
    state.hand_back(found[0], "worker_stopped")
    return _Draft(True, heads=[found[0]] if not state.row.finished_at else [])


def _share_out(state: RunState, operation: Record) -> tuple[list[NodeRow], list[NodeRow]]:
    """Decide who runs what became ready: the reporter itself, a canvas that is under way, or whoever gets a message.

    The reporter goes on with the next node of its segment, with every stretch of inline nodes (any worker may run
    those), and with one segment of its own queue; it spends no message on them.
    """
    if not state.ready or operation.keep is None:
        return [], _announce(state, state.ready)
    plan = state.facts.plan
    own = plan.at(state.load([operation.path])[0].scope)
    segment = own.nodes[state.nodes[operation.path].node].segment
    claimed: list[NodeRow] = []
    others: list[NodeRow] = []
    for row in state.ready:
        same_scope = row.scope == state.nodes[operation.path].scope
        if same_scope and own.nodes[row.node].segment == segment:
            claimed.append(row)
        elif operation.follows and same_scope and own.in_same_unit(segment, own.nodes[row.node].segment):
            _announce(state, [row])
        elif row.queue == "control" and len(claimed) < INLINE_AT_ONCE:
            claimed.append(row)
        else:
            others.append(row)
    if not claimed:
        kept = next((row for row in others if row.queue == operation.keep), None)
        if kept is not None:
            others.remove(kept)
            claimed.append(kept)
    return [state.claim(row) for row in claimed], _announce(state, others)


def _announce(state: RunState, found: Sequence[NodeRow]) -> list[NodeRow]:
    for row in found:
        state.event(EventType.NODE_QUEUED, row.path, queue=row.queue)
    return list(found)


def _save_nodes(states: Iterable[RunState]) -> None:
    every = list(states)
    rows.insert_nodes([row for state in every for row in state.opened])
    rows.save_nodes([row for state in every for row in state.changed.values()])
    for state in every:
        state.opened, state.changed = [], {}


def _answer(state: RunState | None, draft: _Draft, claims: Mapping[tuple[str, str], Claimed]) -> Applied:
    if state is None:
        return Applied()
    run = state.row
    dispatch = None
    if draft.heads and run.finished_at is None:
        heads = tuple(Head(row.path, row.queue) for row in draft.heads)
        dispatch = Dispatch(run.id, run.epoch, run.priority, state.facts.plan, heads)
    return Applied(draft.accepted, tuple(claims[run.id, row.path] for row in draft.claimed), dispatch)
