"""Pages about budgets: how they stand, make, change, delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.usage import actions
from apps.usage.forms import BudgetForm
from apps.usage.models import Budget
from apps.usage.standing import standings
from orchestra.errors import OrchestraError


@require_safe
@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """Show the team's budgets and how they stand."""
    user, team = person_of(request), active_team(request)
    context = {"standings": standings(user, team), "can_edit": user.can(Role.OWNER, team.pk)}
    return render(request, "usage/budgets.html", context)


@login_required
def create(request: HttpRequest) -> HttpResponse:
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.OWNER)
    form = BudgetForm(request.POST or None, initial={"time_zone": user.time_zone, "is_enabled": True})
    return _answer(request, form, None, lambda given: actions.create_budget(team=team, by=user, **given))


@login_required
def edit(request: HttpRequest, budget_id: UUID) -> HttpResponse:
    user, budget = person_of(request), _budget(request, budget_id)
    require(user, budget.team_id, Role.OWNER)
    form = BudgetForm(request.POST or None, budget=budget)
    return _answer(
        request, form, budget, lambda given: actions.update_budget(budget=budget, by=user, **given)
    )


@require_POST
@login_required
def delete(request: HttpRequest, budget_id: UUID) -> HttpResponse:
    budget = _budget(request, budget_id)
    actions.delete_budget(budget=budget, by=person_of(request))
    messages.success(request, _("“%(name)s” is deleted.") % {"name": budget.name})
    return redirect("usage:budgets")


def _answer(request: HttpRequest, form: BudgetForm, budget: Budget | None, save: Any) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            save(form.cleaned_data)
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("usage:budgets")
    return render(request, "usage/budget.html", {"form": form, "budget": budget})


def _budget(request: HttpRequest, budget_id: UUID) -> Budget:
    found: Budget = get_object_or_404(Budget.objects.visible_to(person_of(request)), pk=budget_id)
    return found
