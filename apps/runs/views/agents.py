"""The page of a remote agent: how it stands, and what it has been asked for."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.teams import active_team
from apps.agents.models import Agent, AgentKind
from apps.agents.standing import state_of
from apps.runs.models import Assignment

SHOWN = 50


@login_required
def work(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a remote agent; a fragment for the script that keeps it fresh."""
    user, team = person_of(request), active_team(request)
    mine = Agent.objects.visible_to(user).filter(team=team).select_related("presence", "presence__token")
    agent = get_object_or_404(mine, slug=slug)
    if agent.kind != AgentKind.REMOTE:
        return redirect("agents:edit", agent.slug)
    given = Assignment.objects.visible_to(user).filter(agent=agent).select_related("run__workflow")
    context = {
        "agent": agent,
        "state": state_of(agent),
        "assignments": given.defer("payload", "output", "run__input", "run__output").order_by("-id")[:SHOWN],
        "can_edit": user.can(Role.EDITOR, team.pk),
        "can_operate": user.can(Role.OPERATOR, team.pk),
    }
    is_fragment = request.headers.get("X-Requested-With") == "fetch"
    return render(request, "agents/standing.html" if is_fragment else "agents/work.html", context)
