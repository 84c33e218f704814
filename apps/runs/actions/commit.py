"""Group commit: many operations of one worker process, over any number of runs, in one transaction.

The cost of a commit is shared by everything that arrived meanwhile; locks are taken in the order of run ids, so
two processes cannot deadlock. After the commit the events are broadcast and what became ready is handed back to
the caller to be sent out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.utils import timezone

from apps.runs import live, rows, sql
from apps.runs.actions.doubt import Doubt
from apps.runs.actions.facts import FactBook
from apps.runs.actions.finish import finish_run
from apps.runs.actions.operations import (
    Advance,
    Applied,
    Claim,
    Claimed,
    Dispatch,
    Facts,
    Feed,
    HandBack,
    Head,
    Operation,
    Record,
)
from apps.runs.actions.places import give_up_places
from apps.runs.actions.reading import read_claims
from apps.runs.actions.state import RunState
from apps.runs.events import EventLog
from apps.runs.rows import NodeRow, RunRow
from orchestra.engine.status import EventType, NodeStatus, RunStatus

INLINE_AT_ONCE = 32
"""Stretches of inline nodes that a worker goes on with itself; of more it sends the rest out."""

ADVANCE_LIMIT = 5_000
"""Queued node runs that one `Advance` sends out; the relay sends the rest."""


def commit(
    operations: Sequence[Operation], *, worker: str, book: FactBook, doubt: Doubt | None = None
) -> list[Applied]:
    """Apply operations in order and return their answers in the same order.

    An operation on a run that does not exist, was cancelled or has another epoch is refused quietly. Raises
    django.db.Error; then the caller may try all of it again, with the same `doubt`: it tells whether the failed try
    was committed after all.
    """
    log = EventLog(now=timezone.now())
    with sql.session():
        facts, locked, found = _read(operations, book)
        if doubt is not None and doubt.was_committed():
            return list(doubt.answers)
        states = {run: RunState(row, facts[run], log, worker) for run, row in locked.items()}
        for row in found:
            states[row.run_id].nodes[row.path] = row
        answers = [_apply(states[op.run], op) if op.run in states else _NOTHING for op in operations]
        _save_nodes(states.values())
        for state in states.values():
            finish_run(state)
        claims = read_claims(
            [(states[op.run], row) for op, a in zip(operations, answers, strict=True) for row in a.claimed]
        )
        rows.save_runs([state.row for state in states.values()])
        log.flush()
        applied = [_answer(states.get(op.run), a, claims) for op, a in zip(operations, answers, strict=True)]
        if doubt is not None:
            doubt.note(log, applied)
    live.broadcast(log.frames)
    for team in {state.facts.team for state in states.values() if state.has_assigned}:
        live.tell_workers({"assignments": team})
    ended = [run for run, state in states.items() if facts[run].is_limited and state.row.finished_at]
    if ended:
        give_up_places(ended)
    return applied


class _Draft:
    """What an operation came to, before the claimed node runs' inputs are read."""

    __slots__ = ("accepted", "claimed", "heads", "raised_to")

    def __init__(
        self,
        accepted: bool = False,
        claimed: Sequence[NodeRow] = (),
        heads: Sequence[NodeRow] = (),
        raised_to: int | None = None,
    ) -> None:
        self.accepted = accepted
        self.claimed = claimed
        self.heads = heads
        self.raised_to = raised_to


_NOTHING = _Draft()


def _read(
    operations: Sequence[Operation], book: FactBook
) -> tuple[dict[str, Facts], dict[str, RunRow], list[NodeRow]]:
    """Lock the operations' runs; return their facts, their rows and the node runs concerned.

    A claim is told what a run is together with its rows: it comes first of all, and somebody waits for it.
    """
    ids = {operation.run for operation in operations}
    unknown = book.missing(ids)
    if unknown is None or not all(isinstance(operation, Claim) for operation in operations):
        facts = book.of(ids)
        return facts, *rows.lock_and_read(facts, _concerned(operations, facts))[:2]
    wanted = sorted({(op.run, op.path) for op in operations if isinstance(op, Claim)})
    locked, found, told = rows.lock_and_read(ids, wanted, also=unknown)
    book.learn(told)
    return book.of(locked), locked, found


def _concerned(operations: Sequence[Operation], facts: Mapping[str, Facts]) -> list[tuple[str, str]]:
    """Return what the operations name and what they lead to first, as (run, path)."""
    wanted: set[tuple[str, str]] = set()
    for op in operations:
        if op.run not in facts or not isinstance(op, Claim | Record | HandBack):
            continue
        wanted.add((op.run, op.path))
        if isinstance(op, Record):
            wanted.update((op.run, path) for path in facts[op.run].plan.paths_after(op.path))
    return sorted(wanted)


def _apply(state: RunState, operation: Operation) -> _Draft:
    state.ready = []
    match operation:
        case Advance():
            return _advance(state, operation.raised_to)
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


def _start(state: RunState) -> None:
    if state.row.status == RunStatus.QUEUED and not state.row.is_held:
        state.row.status = RunStatus.RUNNING
        state.row.started_at = state.row.dispatched_at = state.log.now
        state.event(EventType.RUN_STARTED, status=RunStatus.RUNNING)


def _advance(state: RunState, raised_to: int | None) -> _Draft:
    _start(state)
    if state.row.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return _NOTHING
    state.row.dispatched_at = state.log.now
    queued = rows.queued_nodes(state.row.id, None, ADVANCE_LIMIT)
    state.take_ended_children()
    return _Draft(True, heads=[*queued, *_announce(state, state.ready)], raised_to=raised_to)


def _claim(state: RunState, operation: Claim) -> _Draft:
    found = state.load([operation.path])
    if not found:
        return _NOTHING
    _start(state)
    epoch = operation.epoch if operation.fence is None else state.row.epoch
    if not state.is_open_for(epoch):
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
    row = state.held(operation)
    state.charge_stopped(operation.path, operation.hold, operation.usage)
    if row is None:
        return _NOTHING
    state.hand_back(row, "worker_stopped")
    return _Draft(True, heads=[row])


def _share_out(state: RunState, operation: Record) -> tuple[list[NodeRow], list[NodeRow]]:
    """Decide who runs what became ready: the reporter itself, a canvas that is under way, or whoever gets a message.

    The reporter goes on with what it has begun already, with the next node of its segment, with every stretch of
    inline nodes (any worker may run those), and with one segment of its own queue; it spends no message on them.
    """
    ready = _grant(state, operation)
    if not ready or operation.keep is None or not state.is_open:
        return [], _announce(state, ready)
    reporter = state.nodes[operation.path]
    plan = state.facts.plan.at(reporter.scope)
    segment = plan.nodes[reporter.node].segment
    follows = operation.follows and operation.epoch in (None, state.row.epoch)
    claimed: list[NodeRow] = []
    others: list[NodeRow] = []
    for row in ready:
        is_near = row.scope == reporter.scope
        if is_near and plan.nodes[row.node].segment == segment:
            claimed.append(row)
        elif follows and is_near and plan.in_same_unit(segment, plan.nodes[row.node].segment):
            _announce(state, [row])
        elif row.queue == "control" and len(claimed) < INLINE_AT_ONCE:
            claimed.append(row)
        else:
            others.append(row)
    if not claimed and not _fan_out(state, others):
        kept = next((row for row in others if row.queue == operation.keep), None)
        if kept is not None:
            others.remove(kept)
            claimed.append(kept)
    return [state.claim(row) for row in claimed], _announce(state, others)


def _fan_out(state: RunState, found: Sequence[NodeRow]) -> bool:
    """Say whether several nodes start what is left of one unit: a canvas brings them, and what joins them."""
    plan = state.facts.plan
    if len(found) < 2 or state.row.epoch or any(row.scope for row in found):
        return False
    first, *others = (plan.nodes[row.node].segment for row in found)
    return all(plan.in_same_unit(first, other) for other in others)


def _grant(state: RunState, operation: Record) -> list[NodeRow]:
    """Claim for the reporter's hold what it has begun; return the rest of what became ready."""
    rest: list[NodeRow] = []
    for row in state.ready:
        if row.path in operation.ahead and state.is_open:
            operation.hold.fences[row.path] = state.claim(row).fence
        else:
            rest.append(row)
    return rest


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
    if draft.heads and state.is_open:
        heads = tuple(Head(row.path, row.queue) for row in draft.heads)
        facts, raised_to = state.facts, draft.raised_to
        dispatch = Dispatch(run.id, run.epoch, run.priority, facts.plan, heads, raised_to, facts.trace)
    claimed = tuple(claims[run.id, row.path] for row in draft.claimed)
    has_ended = run.finished_at is not None and bool(state.facts.parent)
    parent = (state.facts.parent, run.priority) if has_ended else None
    return Applied(draft.accepted, claimed, dispatch, parent)
