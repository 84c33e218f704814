"""The ledger of effects that may happen once only: prepared, sent, and then confirmed or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.runs.ledger import Decision, Effect, EffectState
from orchestra.engine.effects import EFFECT, NOT_HAPPENED
from orchestra.engine.outcome import Done, Outcome, Suspend
from orchestra.errors import EffectUnknown

REASON = 500
REASONS = {
    EffectState.SENT: "The worker was lost after it had sent the request.",
    EffectState.CONFIRMED: "It has happened before, in an earlier attempt.",
}


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether an attempt may send its effect; else why that has to be asked first."""

    is_free: bool
    reason: str = ""


def prepare(run: str, path: str, fence: int, worker: str) -> Permit:
    """Note that an attempt is about to send its effect. Raises EffectUnknown, once, when a person has given it up.

    Whoever retries the node after that is asked again.
    """
    with transaction.atomic():
        effect, _made = Effect.objects.select_for_update().get_or_create(run_id=UUID(run), path=path)
        is_given_up = effect.decision == Decision.GIVE_UP and not effect.reason
        if is_given_up:
            effect.reason = f"Nobody knows whether it happened; {_decider(effect)} gave it up."
            effect.save(update_fields=["reason"])
        elif effect.state != EffectState.PREPARED:
            return Permit(False, effect.reason or REASONS.get(EffectState(effect.state), ""))
        else:
            effect.fence, effect.worker, effect.prepared_at = fence, worker, timezone.now()
            effect.save()
    if is_given_up:
        raise EffectUnknown(effect.reason)
    return Permit(True)


def mark_sent(run: str, path: str, fence: int) -> bool:
    """Note that an effect is being sent; False when another attempt has prepared it meanwhile.

    Who does not know whether this was committed may ask again before it sends anything.
    """
    open_states = (EffectState.PREPARED, EffectState.SENT)
    mine = Effect.objects.filter(run_id=UUID(run), path=path, fence=fence, state__in=open_states)
    return bool(mine.update(state=EffectState.SENT, sent_at=timezone.now()))


def note_outcome(run: str, path: str, outcome: Outcome, now: datetime) -> None:
    """Note, in the transaction that records an attempt, what it says of the node's effect.

    A failure that does not say that nothing happened leaves the effect as sent.
    """
    effects = Effect.objects.filter(run_id=UUID(run), path=path)
    if isinstance(outcome, Done):
        effects.update(state=EffectState.CONFIRMED, reason="", settled_at=now)
    elif isinstance(outcome, Suspend) and outcome.waiting_for != EFFECT:
        effects.exclude(state=EffectState.CONFIRMED).update(state=EffectState.PREPARED, reason="")
    elif isinstance(outcome, Suspend):
        effects.exclude(state=EffectState.CONFIRMED).update(
            state=EffectState.UNKNOWN, reason=str(outcome.data.get("reason", ""))[:REASON]
        )
    elif getattr(outcome, "error", {}).get("effect") == NOT_HAPPENED["effect"]:
        effects.update(state=EffectState.PREPARED, reason="")


def park_result(run: str, path: str, fence: int, outcome: Outcome) -> None:
    """Keep the result of an attempt that was given up while it sent the effect, for whoever decides."""
    if isinstance(outcome, Done):
        effects = Effect.objects.filter(run_id=UUID(run), path=path, fence=fence)
        effects.exclude(state=EffectState.CONFIRMED).update(late_output=outcome.output)


def _decider(effect: Effect) -> str:
    return effect.decided_by.name if effect.decided_by else "somebody"
