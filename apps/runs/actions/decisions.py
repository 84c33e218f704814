"""What people say of an effect whose outcome nobody knows: it happened, it did not, or it is given up."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs.actions.outside import States, change_runs, load_whole
from apps.runs.ledger import Decision, Effect, EffectState
from apps.runs.models import NodeRun, Run
from orchestra.engine.attempt import plain_output
from orchestra.engine.effects import EFFECT
from orchestra.engine.outcome import Done
from orchestra.engine.status import EventType, NodeStatus
from orchestra.errors import Conflict, InvalidInput, NodeFailure, Problem


def decide_effect(*, run: Run, path: str, decision: str, output: Any = None, by: User) -> NodeRun:
    """Let a node go on that waits for a word about its effect; of two decisions the second is a conflict.

    `happened` ends it with `output`, `retry` sends the effect again, `give_up` fails it as its `on_error` and edges
    say. Raises NotPermitted (below operator), Conflict (it does not wait for that), InvalidInput.
    """
    require(by, run.team_id, Role.OPERATOR)
    if decision not in Decision.values:
        message = f"Say one of: {', '.join(Decision.values)}."
        raise InvalidInput(problems=[Problem("decision", "bad_value", message)])
    done = _done(output)
    key = str(run.pk)

    def decide(states: States) -> None:
        state = states[key]
        found = load_whole(states, [(key, path)])
        if not found or found[0].status != NodeStatus.WAITING or found[0].waiting_for != EFFECT:
            raise Conflict("This node does not wait for a word about its effect.")
        row = found[0]
        _note(run, path, decision, by)
        state.event(EventType.EFFECT_DECIDED, path, decision=decision, by=by.name)
        if decision == Decision.HAPPENED:
            state.wake(row, done)
        else:
            row.waiting_for, row.due_at = "", None
            state.make_ready([row])

    with transaction.atomic():
        after = change_runs([key], decide)
        transaction.on_commit(after.tell)
    return run.node_runs.get(path=path)


def _done(output: Any) -> Done:
    try:
        return Done(plain_output(output))
    except NodeFailure as error:
        raise InvalidInput(problems=[Problem("output", error.code, error.message)]) from None


def _note(run: Run, path: str, decision: str, by: User) -> None:
    state = {
        Decision.HAPPENED: EffectState.CONFIRMED,
        Decision.RETRY: EffectState.PREPARED,
        Decision.GIVE_UP: EffectState.UNKNOWN,
    }[Decision(decision)]
    Effect.objects.filter(run=run, path=path).update(
        state=state, decision=decision, decided_by=by, settled_at=timezone.now(), reason=""
    )
