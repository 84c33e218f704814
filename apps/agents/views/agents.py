"""Pages about agents: list, make, change, delete."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.agents import actions
from apps.agents.forms import AgentForm
from apps.agents.models import Ability, Agent, AgentKind, Connection
from apps.agents.standing import AgentState, state_in_sql, state_of
from orchestra.errors import OrchestraError

SHOWN = 60
"""Agents on one page of the list."""


@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """Show the team's agents and how they stand; a fragment for the script that keeps it fresh."""
    user, team = person_of(request), active_team(request)
    found = _filtered(request, Agent.objects.visible_to(user).filter(team=team))
    number = request.GET.get("page", "1")
    page = int(number) if number.isdecimal() and 0 < len(number) < 6 else 1
    start = (max(page, 1) - 1) * SHOWN
    shown = list(
        found.select_related("connection", "presence").order_by("name", "pk")[start : start + SHOWN + 1]
    )
    for agent in shown:
        agent.__dict__["state"] = state_of(agent)
    context = {
        "agents": shown[:SHOWN],
        "has_any": bool(shown) or Agent.objects.visible_to(user).filter(team=team).exists(),
        "page": page,
        "next": page + 1 if len(shown) > SHOWN else 0,
        "states": AgentState.choices,
        "default_connection": Connection.objects.filter(team=team, is_default=True).first(),
        "can_edit": user.can(Role.EDITOR, team.pk),
    }
    is_fragment = request.headers.get("X-Requested-With") == "fetch"
    return render(request, "agents/cards.html" if is_fragment else "agents/list.html", context)


def _filtered(request: HttpRequest, agents: QuerySet[Agent]) -> QuerySet[Agent]:
    """Return the agents that the address asks for: `?q=`, `?state=`, `?kind=`."""
    text, state, kind = (request.GET.get(name, "").strip()[:80] for name in ("q", "state", "kind"))
    if text:
        is_named = Q(name__icontains=text) | Q(slug__icontains=text)
        agents = agents.filter(is_named | Q(pk__in=Ability.objects.filter(name=text.lower()).values("agent")))
    if kind in AgentKind.values:
        agents = agents.filter(kind=kind)
    if state in AgentState.values:
        agents = agents.annotate(state_now=state_in_sql()).filter(state_now=state)
    return agents


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """Make an agent."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    form = AgentForm(request.POST or None, team=team)
    if request.method == "POST" and form.is_valid():
        try:
            actions.create_agent(team=team, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("The agent is made."))
            return redirect("agents:list")
    return _form_page(request, form, None)


@login_required
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change an agent; runs that are under way keep what they have read."""
    user, agent = person_of(request), _agent(request, slug)
    if agent.kind == AgentKind.REMOTE:
        return redirect("working:agent", agent.slug)
    require(user, agent.team_id, Role.EDITOR)
    form = AgentForm(request.POST or None, team=agent.team, agent=agent)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_agent(agent=agent, by=user, **form.arguments())
        except OrchestraError as error:
            add_problems(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("agents:edit", agent.slug)
    return _form_page(request, form, agent)


@login_required
@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete an agent; runs keep what it said."""
    actions.delete_agent(agent=_agent(request, slug), by=person_of(request))
    messages.success(request, _("The agent is deleted."))
    return redirect("agents:list")


def _agent(request: HttpRequest, slug: str) -> Agent:
    mine = Agent.objects.visible_to(person_of(request)).select_related("team")
    found: Agent = get_object_or_404(mine, team=active_team(request), slug=slug)
    return found


def _form_page(request: HttpRequest, form: AgentForm, agent: Agent | None) -> HttpResponse:
    status = 422 if form.errors else 200
    return render(request, "agents/form.html", {"form": form, "agent": agent}, status=status)
