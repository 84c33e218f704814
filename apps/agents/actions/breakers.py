"""Writes to circuit breakers: what workers report of a connection's calls, and who closes a breaker by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.agents.models import Breaker, BreakerChange, BreakerState, Connection
from orchestra.llm import breaker as rules_of
from orchestra.llm.breaker import BreakerRules, Circuit, Permit

T = TypeVar("T")
MAX_REASON = 300
KEPT_DAYS = 90
CLOSED_BY_HAND = "Closed by hand."


def report_calls(
    *, connection_id: str, rules: BreakerRules, succeeded: int, failed: int, reason: str, by: str
) -> Circuit:
    """Count calls that have ended; return the breaker after them. Nothing is kept of a connection that is gone."""

    def change(circuit: Circuit, now: int) -> tuple[Circuit, Circuit]:
        after = rules_of.note_calls(circuit, rules, now, succeeded=succeeded, failed=failed)
        return after, after

    return _change(connection_id, change, Circuit(), reason, by)


def ask_permit(*, connection_id: str, by: str) -> tuple[Permit, Circuit]:
    """Ask whether a call may be made; one caller at a time is told to make the probe."""

    def change(circuit: Circuit, now: int) -> tuple[tuple[Permit, Circuit], Circuit]:
        permit, after = rules_of.ask_permit(circuit, now)
        return (permit, after), after

    return _change(connection_id, change, (Permit(), Circuit()), "", by)


def end_probe(
    *, connection_id: str, rules: BreakerRules, is_ok: bool | None, reason: str, by: str
) -> Circuit:
    """Tell how the probe went; None: it was stopped, and the next call is one."""

    def change(circuit: Circuit, now: int) -> tuple[Circuit, Circuit]:
        after = rules_of.end_probe(circuit, rules, now, is_ok=is_ok)
        return after, after

    return _change(connection_id, change, Circuit(), reason, by)


def purge_changes() -> int:
    """Delete changes of breakers that are older than KEPT_DAYS; return how many."""
    old = BreakerChange.objects.filter(at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
    return old.delete()[0]


def close_breaker(*, connection: Connection, by: User) -> None:
    """Let calls go to a provider again at once. Raises NotPermitted."""
    require(by, connection.team_id, Role.EDITOR)
    _change(
        str(connection.pk), lambda _circuit, _now: (None, Circuit()), None, CLOSED_BY_HAND, by.get_username()
    )


@transaction.atomic
def _change(
    connection_id: str, change: Callable[[Circuit, int], tuple[T, Circuit]], gone: T, reason: str, by: str
) -> T:
    """Let `change` make a new breaker of the locked one; note it when the state is another. Return what it says."""
    row = _locked(connection_id)
    if row is None:
        return gone
    before = row.circuit
    answer, after = change(before, round(timezone.now().timestamp() * 1000))
    if after == before:
        return answer
    row.counts = [list(count) for count in after.counts]
    row.until = datetime.fromtimestamp(after.until / 1000, UTC) if after.until else None
    if after.state != before.state:
        row.state, row.changed_at = BreakerState(after.state), timezone.now()
        row.reason = "" if after.state == BreakerState.CLOSED else (reason or row.reason)[:MAX_REASON]
        BreakerChange.objects.create(
            connection_id=row.pk,
            before=before.state,
            after=after.state,
            reason=(reason if after.state != BreakerState.HALF_OPEN else "")[:MAX_REASON],
            by=by[:150],
        )
    row.save()
    return answer


def _locked(connection_id: str) -> Breaker | None:
    """Return the locked row, made when it is missing; None for a connection that has been deleted."""
    rows = Breaker.objects.select_for_update()
    found: Breaker | None = rows.filter(connection__id=connection_id).first()
    if found is None and Connection.objects.filter(id=connection_id).exists():
        Breaker.objects.get_or_create(connection_id=connection_id)
        found = rows.filter(connection__id=connection_id).first()
    return found
