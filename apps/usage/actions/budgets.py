"""Making, changing and deleting budgets; owners of the team decide."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Role, Team, User
from apps.accounts.rights import require
from apps.agents.models import Agent, Connection
from apps.usage.models import Budget, Scope, Span, Unit, WhenSpent
from apps.workflows.models import Workflow
from orchestra.errors import Conflict, InvalidInput, Problem, StaleRevision

MOST_PER_TEAM = 100
LARGEST = Decimal(10) ** 9
FIELDS = (
    "name", "scope", "subject", "unit", "amount", "span", "time_zone", "warn_percent", "when_spent",
    "fallback_connection", "fallback_model", "is_enabled",
)  # fmt: skip


@transaction.atomic
def create_budget(*, team: Team, by: User, name: str, amount: Decimal, **fields: Any) -> Budget:
    """Make a budget; `fields` are those of `Budget`, `subject` a short name or a user name.

    What was spent since the span began counts. Raises NotPermitted, InvalidInput (every problem at once), Conflict.
    """
    require(by, team.pk, Role.OWNER)
    if Budget.objects.filter(team=team).count() >= MOST_PER_TEAM:
        raise Conflict(_("A team has at most %(count)s budgets.") % {"count": MOST_PER_TEAM})
    budget = Budget(team=team, created_by=by, time_zone=by.time_zone or "UTC")
    _put(budget, {"name": name, "amount": amount, **fields})
    budget.save(force_insert=True)
    return budget


@transaction.atomic
def update_budget(*, budget: Budget, by: User, revision: int | None = None, **changes: Any) -> Budget:
    """Change a budget; what is not given stays. What is spent stays too, unless it is counted otherwise from now on.

    Raises NotPermitted, InvalidInput, StaleRevision.
    """
    require(by, budget.team_id, Role.OWNER)
    budget = Budget.objects.select_for_update().get(pk=budget.pk)
    if revision is not None and budget.revision != revision:
        raise StaleRevision
    counted = _counted(budget)
    if "subject" not in changes and "scope" not in changes:
        changes["subject"] = subject_name(budget)
    _put(budget, changes)
    if _counted(budget) != counted:
        budget.spendings.all().delete()
    else:
        budget.spendings.update(warned_at=None, reached_at=None)
    budget.revision += 1
    budget.save()
    return budget


def delete_budget(*, budget: Budget, by: User) -> None:
    """Delete a budget; what was spent stays in the usage. Raises NotPermitted."""
    require(by, budget.team_id, Role.OWNER)
    budget.delete()


def subject_name(budget: Budget) -> str:
    """Return how people call whom a budget is for: a short name, or a user name; empty: each of them, or all."""
    if budget.scope != Scope.USER or not budget.subject:
        return budget.subject
    return User.objects.filter(pk=budget.subject).values_list("username", flat=True).first() or ""


def _counted(budget: Budget) -> tuple[str, ...]:
    return budget.scope, budget.subject, budget.unit, budget.span, budget.time_zone


def _put(budget: Budget, given: dict[str, Any]) -> None:
    for name in FIELDS:
        if given.get(name) is not None:
            setattr(budget, name, given[name])
    budget.name = budget.name.strip()
    problems = [*_choices(budget), *_numbers(budget), *_cheaper(budget), *_subject(budget)]
    if problems:
        raise InvalidInput(problems=problems)


def _choices(budget: Budget) -> list[Problem]:
    known = {"scope": Scope, "unit": Unit, "span": Span, "when_spent": WhenSpent}
    found = [
        Problem(name, "unknown", _("This is none of the choices."))
        for name, choices in known.items()
        if getattr(budget, name) not in choices.values
    ]
    try:
        ZoneInfo(budget.time_zone)
    except (LookupError, ValueError, OSError):
        found.append(Problem("time_zone", "unknown", _("There is no such time zone.")))
    if not budget.name:
        found.append(Problem("name", "required", _("Give it a name.")))
    if budget.scope == Scope.RUN and budget.span != Span.TOTAL:
        budget.span = Span.TOTAL  # a run is over when it is over
    return found


def _numbers(budget: Budget) -> list[Problem]:
    found = []
    budget.amount = Decimal(budget.amount).quantize(Decimal("1e-8"))
    if not 0 < budget.amount < LARGEST:
        found.append(Problem("amount", "invalid", _("Give an amount above 0.")))
    if not 0 <= budget.warn_percent <= 100:
        found.append(Problem("warn_percent", "invalid", _("Give a percentage from 0 to 100.")))
    return found


def _cheaper(budget: Budget) -> list[Problem]:
    if budget.when_spent != WhenSpent.DEGRADE:
        return []
    found = []
    if not (budget.fallback_connection or budget.fallback_model):
        found.append(Problem("fallback_model", "required", _("Name the cheaper model, or its connection.")))
    known = Connection.objects.filter(team_id=budget.team_id, slug=budget.fallback_connection)
    if budget.fallback_connection and not known.exists():
        found.append(Problem("fallback_connection", "unknown", _("There is no such connection.")))
    return found


def _subject(budget: Budget) -> list[Problem]:
    """Look up whom a budget is for; a person is kept by id."""
    name, key = budget.subject, ""
    if budget.scope in (Scope.TEAM, Scope.RUN) or not name:
        budget.subject = ""
        return []
    if budget.scope == Scope.USER:
        members = User.objects.filter(memberships__team_id=budget.team_id, username=name)
        key = str(members.values_list("pk", flat=True).first() or "")
    else:
        model = Workflow if budget.scope == Scope.WORKFLOW else Agent
        key = name if model.objects.filter(team_id=budget.team_id, slug=name).exists() else ""
    budget.subject = key
    return [] if key else [Problem("subject", "unknown", _("The team has none of this name."))]
