"""Reserving and settling: what a call may cost is taken from its budgets before it, what it cost after it.

Every worker reserves under the lock of the same rows, so calls at the same time cannot spend the same money twice:
what is spent exceeds an amount by no more than the calls cost above their reservations. A reservation whose worker
was lost expires.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.usage.models import Budget, ModelCall, Reservation, Scope, Spending, Unit, WhenSpent
from apps.usage.spans import start_of
from orchestra.ids import new_id

BATCH = 1000
GO = "go"
WAIT = "wait"
"""Calls under way hold what is left."""


@dataclass(frozen=True, slots=True)
class Spender:
    """For whom a call is made; `run` is the outermost run, ids are texts."""

    team: str
    run: str
    user: str = ""
    workflow: str = ""
    agent: str = ""

    def key(self, scope: str) -> str | None:
        """Return whose spending in a scope this is; None: nobody's."""
        keys = {
            Scope.TEAM: "",
            Scope.USER: self.user or None,
            Scope.WORKFLOW: self.workflow or None,
            Scope.AGENT: self.agent or None,
            Scope.RUN: self.run,
        }
        return keys[Scope(scope)]


@dataclass(frozen=True, slots=True)
class Amount:
    """What a call costs, or may cost."""

    cost: float
    tokens: int

    def of(self, unit: str) -> Decimal:
        return Decimal(self.tokens) if unit == Unit.TOKENS else Decimal(str(round(self.cost, 8)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may begin: `go` (then settle the ticket), `wait`, or what its spent budget says."""

    says: str
    ticket: UUID | None = None
    parts: tuple[tuple[int, str], ...] = ()
    """(spending, unit) of every budget that the call counts for."""
    budget: Budget | None = None
    """The budget that has nothing left."""
    spent: Decimal = Decimal(0)
    is_first: bool = False
    """Nobody was refused by it before in this span."""


FREE = Verdict(GO)


@dataclass(frozen=True, slots=True)
class Warned:
    """A budget that has passed its threshold."""

    budget: Budget
    spent: Decimal


def budgets_for(team: str) -> list[Budget]:
    """Return the budgets of a team that hold."""
    return list(Budget.objects.filter(team_id=team, is_enabled=True).order_by("pk"))


def reserve(
    budgets: Sequence[Budget],
    spender: Spender,
    estimate: Amount,
    *,
    seconds: float,
    spared: Collection[UUID] = (),
    now: datetime | None = None,
) -> Verdict:
    """Take what a call may cost from every budget that it counts for, or from none.

    `seconds` is how long the call may take; `spared` are the budgets whose amount does not hold for this call (it
    is their cheaper model): it counts for them all the same.
    """
    now = now or timezone.now()
    pairs = [(budget, key) for budget in budgets if (key := _key(budget, spender, estimate)) is not None]
    if not pairs:
        return FREE
    ticket = new_id()
    with transaction.atomic():
        rows = _locked([(budget, _row(budget, key, now)) for budget, key in pairs])
        for budget, row in rows:
            if budget.pk not in spared and (refused := _refused(budget, row, estimate, now)) is not None:
                return refused
        given = {"ticket": ticket, "run": spender.run, "expires_at": now + timedelta(seconds=seconds)}
        Reservation.objects.bulk_create(
            Reservation(spending=row, amount=estimate.of(budget.unit), **given) for budget, row in rows
        )
    return Verdict(GO, ticket, tuple((row.pk, budget.unit) for budget, row in rows))


def settle(
    verdict: Verdict, used: Amount, *, is_again: bool = False, now: datetime | None = None
) -> list[Warned]:
    """Book what a call has cost in place of its reservation; return the budgets that pass their threshold by it.

    `is_again`: an earlier try may have been committed; then its reservation is gone, and nothing is booked.
    """
    if verdict.ticket is None:
        return []
    now, warned = now or timezone.now(), []
    with transaction.atomic():
        rows = {row.pk: row for row in _lock(pk for pk, _unit in verdict.parts)}
        gone, _models = Reservation.objects.filter(ticket=verdict.ticket).delete()
        if is_again and not gone:
            return []
        for pk, unit in verdict.parts:
            if (row := rows.get(pk)) is None:
                continue  # the budget was deleted meanwhile
            row.spent += used.of(unit)
            if row.warned_at is None and _is_due(row):
                row.warned_at = now
                warned.append(Warned(row.budget, row.spent))
            row.save(update_fields=["spent", "warned_at"])
    return warned


def purge_reservations(now: datetime | None = None) -> int:
    """Delete a batch of reservations that nobody settled in time; return how many."""
    late = Reservation.objects.filter(expires_at__lt=now or timezone.now()).order_by("pk")
    keys = list(late.values_list("pk", flat=True)[:BATCH])
    return int(Reservation.objects.filter(pk__in=keys).delete()[0]) if keys else 0


def _key(budget: Budget, spender: Spender, estimate: Amount) -> str | None:
    """Return whose row of a budget a call counts for; None: it does not, or costs nothing of what it counts."""
    key = spender.key(budget.scope)
    is_other = bool(budget.subject) and key != budget.subject
    return None if key is None or is_other or not estimate.of(budget.unit) else key


def _row(budget: Budget, key: str, now: datetime) -> int:
    """Return the id of the row of a span; a new one begins with what was spent before the budget was made."""
    starts_at = start_of(budget.span, budget.time_zone, now)
    found = Spending.objects.filter(budget=budget, subject=key, starts_at=starts_at)
    pk = found.values_list("pk", flat=True).first()
    if pk is not None:
        return int(pk)
    given = {"spent": spent_since(budget, key, starts_at)}
    made, _new = Spending.objects.get_or_create(
        budget=budget, subject=key, starts_at=starts_at, defaults=given
    )
    return made.pk


def spent_since(budget: Budget, key: str, starts_at: datetime) -> Decimal:
    """Return what the recorded calls of a budget's subject come to since a moment."""
    columns = {Scope.USER: "user_id", Scope.WORKFLOW: "workflow", Scope.AGENT: "agent", Scope.RUN: "run"}
    only: dict[str, Any] = {columns[Scope(budget.scope)]: key} if budget.scope != Scope.TEAM else {}
    calls = ModelCall.objects.filter(team_id=budget.team_id, at__gte=starts_at, **only).order_by()
    sums = calls.aggregate(i=Sum("input_tokens"), o=Sum("output_tokens"), c=Sum("cost"))
    if budget.unit == Unit.TOKENS:
        return Decimal((sums["i"] or 0) + (sums["o"] or 0))
    return Decimal(sums["c"] or 0)


def _locked(pairs: Sequence[tuple[Budget, int]]) -> list[tuple[Budget, Spending]]:
    rows = {row.pk: row for row in _lock(pk for _budget, pk in pairs)}
    return [(budget, rows[pk]) for budget, pk in pairs if pk in rows]


def _lock(keys: Any) -> Any:
    """Lock rows in the order of their ids, so that two callers cannot deadlock."""
    found = Spending.objects.filter(pk__in=list(keys)).select_related("budget")
    return found.select_for_update(of=("self",)).order_by("pk")


def _refused(budget: Budget, row: Spending, estimate: Amount, now: datetime) -> Verdict | None:
    """Say what becomes of a call that a budget has not enough left for; None when it has, or only warns."""
    if budget.when_spent == WhenSpent.WARN:
        return None
    wanted = row.spent + estimate.of(budget.unit)
    if wanted <= budget.amount:
        held = row.reservations.filter(expires_at__gt=now).aggregate(held=Sum("amount"))["held"] or 0
        return Verdict(WAIT, budget=budget, spent=row.spent) if wanted + held > budget.amount else None
    is_first = row.reached_at is None
    if is_first:
        row.reached_at = now
        row.save(update_fields=["reached_at"])
    return Verdict(budget.when_spent, budget=budget, spent=row.spent, is_first=is_first)


def _is_due(row: Spending) -> bool:
    percent = row.budget.warn_percent
    return bool(percent) and row.spent * 100 >= row.budget.amount * percent
