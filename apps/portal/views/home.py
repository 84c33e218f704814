"""The first page: what to do now, what runs, what it cost today."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.views.decorators.http import require_POST

from apps.accounts import actions
from apps.accounts.models import Role, Team, User
from apps.accounts.pages import person_of
from apps.accounts.teams import team_of
from apps.portal import overview

CHECKLIST = "checklist"


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Greet a person with what matters to them now."""
    user, team = person_of(request), team_of(request)
    if team is None:
        return render(request, "portal/no_team.html")
    context = _live_part(user, team)
    is_hidden = user.preferences.get(CHECKLIST) == "hidden"
    things = [] if is_hidden else overview.checklist(user, team)
    is_left = any(not thing.is_done for thing in things)
    context |= {
        "things": things if is_left else [],
        "things_done": sum(thing.is_done for thing in things),
        "workflows": overview.recent_workflows(user, team),
        "conversations": overview.recent_conversations(user, team),
        "ready": overview.readiness(user, team),
        "can_edit": user.can(Role.EDITOR, team.pk),
        "can_run": user.can(Role.OPERATOR, team.pk),
    }
    return render(request, "portal/home.html", context)


@login_required
def live_part(request: HttpRequest) -> HttpResponse:
    """Answer with the part of the page that changes while runs go on."""
    team = team_of(request)
    if team is None:
        return HttpResponse(status=204)
    return render(request, "portal/home_live.html", _live_part(person_of(request), team))


@login_required
@require_POST
def hide_checklist(request: HttpRequest) -> HttpResponse:
    """Take the checklist off the first page, for this person."""
    actions.set_preferences(user=person_of(request), changes={CHECKLIST: "hidden"})
    return redirect("portal:home")


def _live_part(user: User, team: Team) -> dict[str, Any]:
    days = overview.last_days(user, team)
    return {
        "runs": overview.recent_runs(user, team),
        "today": overview.today(user, team),
        "budgets": overview.budgets(user, team),
        "day_values": [day.runs for day in days],
        "day_labels": [date_format(day.date, "j") for day in days],
    }
