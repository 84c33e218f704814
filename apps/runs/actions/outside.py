"""The one way in for what happens outside a run: change its node runs under its lock, once, and let it go on.

Due times, signals, decisions and lost workers all come through here. Who holds the run's lock sees every node run
as it is, so of two that want to end the same one the second finds it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from apps.runs import live, rows
from apps.runs.actions.facts import FactBook
from apps.runs.actions.finish import finish_run
from apps.runs.actions.state import RunState
from apps.runs.dispatch import send_advance
from apps.runs.events import EventLog, Frame
from apps.runs.models import NodeRun
from apps.runs.rows import NodeRow
from orchestra.engine.status import NodeStatus, RunStatus

log = structlog.get_logger(__name__)

States = Mapping[str, RunState]


@dataclass
class After:
    """What is to be told once the transaction has been committed."""

    frames: list[Frame] = field(default_factory=list)
    hints: list[tuple[str, int]] = field(default_factory=list)

    def tell(self) -> None:
        """Broadcast the events, and ask for each run to be advanced."""
        live.broadcast(self.frames)
        for run, priority in self.hints:
            send_advance(run, priority)


def change_runs(runs: Iterable[str], change: Callable[[States], None]) -> After:
    """Lock the runs that exist, let `change` work on their states by id, and write what it changed.

    Needs a transaction around it; the caller tells the answer once that has been committed.
    """
    log = EventLog(now=timezone.now())
    facts = FactBook().of(runs)
    locked = rows.lock_runs(facts)
    states = {run: RunState(row, facts[run], log, "") for run, row in locked.items()}
    change(states)
    rows.insert_nodes([row for state in states.values() for row in state.opened])
    rows.save_nodes([row for state in states.values() for row in state.changed.values()])
    for state in states.values():
        finish_run(state)
    rows.save_runs([state.row for state in states.values()])
    log.flush()
    hints = [(s.row.id, s.row.priority) for s in states.values() if s.row.finished_at is None and s.changed]
    ended = [state for state in states.values() if state.row.finished_at is not None and state.facts.parent]
    hints += [(state.facts.parent, state.row.priority) for state in ended]
    return After(log.frames, hints)


def change_nodes(
    found: Iterable[tuple[str, str, int]], change: Callable[[RunState, NodeRow], None], status: NodeStatus
) -> int:
    """Apply a change to each (run, path, fence) that still has this status and fence; return how many that were.

    A run whose change the database refuses is left as it is, and holds up no other.
    """
    wanted = {(run, path): fence for run, path, fence in found}
    try:
        return _change_at_once(wanted, change, status)
    except (IntegrityError, DataError):
        runs = {run for run, _path in wanted}
        if len(runs) == 1:
            log.exception("change_refused", run=runs.pop())
            return 0
        parts = [
            [(run, path, wanted[run, path]) for run, path in wanted if run == one] for one in sorted(runs)
        ]
        return sum(change_nodes(part, change, status) for part in parts)


def _change_at_once(
    wanted: Mapping[tuple[str, str], int], change: Callable[[RunState, NodeRow], None], status: NodeStatus
) -> int:
    changed = 0

    def change_each(states: States) -> None:
        nonlocal changed
        for row in load_whole(states, sorted(wanted)):
            if row.fence == wanted[row.run_id, row.path] and row.status == status:
                changed += 1
                change(states[row.run_id], row)

    if wanted:
        with transaction.atomic():
            after = change_runs({run for run, _path in wanted}, change_each)
        after.tell()
    return changed


def load_whole(states: States, pairs: Iterable[tuple[str, str]]) -> list[NodeRow]:
    """Return the node runs of runs that have not ended, with what their earlier attempts have left in their rows."""
    is_open = {run for run, state in states.items() if not RunStatus(state.row.status).is_final}
    found = rows.nodes_at(pair for pair in pairs if pair[0] in is_open)
    left = NodeRun.objects.only("input", "model", "input_tokens", "output_tokens", "cost").in_bulk(
        [row.id for row in found]
    )
    for row in found:
        earlier = left[row.id]
        row.input, row.model, row.cost = earlier.input, earlier.model, float(earlier.cost)
        row.input_tokens, row.output_tokens = earlier.input_tokens, earlier.output_tokens
        states[row.run_id].nodes[row.path] = row
    return found
