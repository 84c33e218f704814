"""How budgets stand: what is spent and held of each now, for pages and the API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.usage.actions.budgets import subject_name
from apps.usage.actions.reserving import spent_since
from apps.usage.models import Budget, Reservation, Scope, Spending
from apps.usage.spans import start_of


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget now. Of one for each person, workflow, agent or run: whoever has spent most of it."""

    budget: Budget
    subject: str
    """How people call whom it is for."""
    starts_at: Any
    spent: Decimal
    held: Decimal
    warned: bool
    reached: bool

    @property
    def percent(self) -> float:
        return round(min(100.0, 100 * float(self.spent) / float(self.budget.amount)), 1)

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.budget.amount - self.spent)


def standings(user: User, team: Team) -> list[Standing]:
    """Return every budget of a team as it stands, in the order of the names."""
    budgets = list(Budget.objects.visible_to(user).filter(team=team))
    return stand(budgets)


def stand(budgets: Iterable[Budget]) -> list[Standing]:
    """Return how these budgets stand."""
    found, now = list(budgets), timezone.now()
    starts = {budget.pk: start_of(budget.span, budget.time_zone, now) for budget in found}
    rows = Spending.objects.filter(budget__in=found, starts_at__in=set(starts.values())).order_by("spent")
    most: dict[Any, Spending] = {row.budget_id: row for row in rows if row.starts_at == starts[row.budget_id]}
    open_ones = Q(spending__in=[row.pk for row in most.values()], expires_at__gt=now)
    held = dict(
        Reservation.objects.filter(open_ones)
        .order_by()
        .values_list("spending_id")
        .annotate(held=Sum("amount"))
    )
    return [_standing(budget, starts[budget.pk], most.get(budget.pk), held) for budget in found]


def _standing(budget: Budget, start: Any, row: Spending | None, held: dict[int, Decimal]) -> Standing:
    if row is None:
        is_one = bool(budget.subject) or budget.scope == Scope.TEAM
        spent = spent_since(budget, budget.subject, start) if is_one else Decimal(0)
        return Standing(budget, subject_name(budget), start, spent, Decimal(0), warned=False, reached=False)
    whose = Budget(scope=budget.scope, subject=row.subject)
    return Standing(
        budget,
        subject_name(whose),
        row.starts_at,
        row.spent,
        held.get(row.pk, Decimal(0)),
        warned=row.warned_at is not None,
        reached=row.reached_at is not None,
    )
