"""Signals: what somebody outside tells a run, by name, with a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs.actions.outside import States, change_runs, load_whole
from apps.runs.models import NodeRun, Run, Signal
from orchestra.engine.nodes import wait
from orchestra.engine.status import EventType, NodeStatus, RunStatus
from orchestra.errors import Conflict, InvalidInput, LimitReached, Problem

MOST_KEPT = 100
"""Signals of one run that wait for a node to take them."""

PAYLOAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a signal went: the node runs that it woke, or kept for the first that will wait for it."""

    woken: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        return not self.woken


def send_signal(*, run: Run, name: str, payload: Any, by: User) -> Delivery:
    """Wake every node of a run that waits for the signal `name`; keep it when none does yet.

    A kept signal is taken by the first node that comes to wait for it, oldest first. Raises NotPermitted (below
    operator), Conflict (the run has ended), InvalidInput (name, size), LimitReached (too many are kept).
    """
    require(by, run.team_id, Role.OPERATOR)
    _check(name, payload)
    woken: list[str] = []

    def deliver(states: States) -> None:
        state = states[str(run.pk)]
        if RunStatus(state.row.status).is_final:
            raise Conflict(f"This run has already ended: {state.row.status}.")
        waiting = NodeRun.objects.filter(
            run=run, status=NodeStatus.WAITING, kind=wait.KIND.name, waiting_for=wait.signal_key(name)
        )
        woken.extend(waiting.order_by("id").values_list("path", flat=True))
        state.event(EventType.SIGNAL_RECEIVED, name=name, by=by.name, woken=woken[:100], is_kept=not woken)
        for row in load_whole(states, ((state.row.id, path) for path in woken)):
            state.wake(row, wait.on_signal(payload))
        if not woken:
            _keep(run, name, payload, by)

    with transaction.atomic():
        after = change_runs([str(run.pk)], deliver)
        transaction.on_commit(after.tell)
    return Delivery(tuple(woken))


def _keep(run: Run, name: str, payload: Any, by: User) -> None:
    if run.signals.count() >= MOST_KEPT:
        raise LimitReached(
            f"{MOST_KEPT} signals of this run wait to be taken already; no more are kept.", retry_after=60
        )
    Signal.objects.create(run=run, name=name, payload=payload, sent_by=by)


def _check(name: str, payload: Any) -> None:
    problems = []
    if not wait.SIGNAL_NAME.fullmatch(name):
        problems.append(
            Problem("name", "bad_value", "A name has 1 to 100 letters, digits and the signs _ . : -")
        )
    size = len(json.dumps(payload, ensure_ascii=False).encode())
    if size > PAYLOAD_BYTES:
        message = f"The payload has {size:,} bytes; {PAYLOAD_BYTES:,} are allowed."
        problems.append(Problem("payload", "too_large", message))
    if problems:
        raise InvalidInput(problems=problems)
