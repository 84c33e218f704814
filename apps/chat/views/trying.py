"""The test bench of an agent: a message, and each step that it takes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.teams import active_team
from apps.agents.models import Agent
from apps.chat import actions
from apps.chat.actions.trying import BENCH
from apps.chat.forms import TrialForm
from apps.runs.live import texts_so_far
from apps.runs.models import Approval, Run
from apps.runs.result import render_markdown
from apps.runs.steps import steps_of
from orchestra.errors import OrchestraError

SHOWN = 8
NODE = "answer"


@login_required
def bench(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the bench; `?run=` one trial, to the script as a fragment. What is posted begins a trial."""
    user, team = person_of(request), active_team(request)
    agent = get_object_or_404(Agent.objects.visible_to(user).filter(team=team), slug=slug)
    form = TrialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            run = actions.try_agent(agent=agent, text=form.cleaned_data["text"], by=user)
        except OrchestraError as error:
            add_problems(form, error)
        else:
            return redirect(f"{reverse('bench:agent', args=[agent.slug])}?run={run.pk}")
    trials = Run.objects.visible_to(user).filter(team=team, workflow__slug=BENCH, input__agent=agent.slug)
    context = {"agent": agent, **_trial(request, trials)}
    if request.headers.get("X-Requested-With") == "fetch":
        return render(request, "agents/trial.html", context)
    others = trials.exclude(pk=context["run"].pk) if "run" in context else trials
    context |= {
        "form": form,
        "trials": others.defer("output", "error").order_by("-id")[:SHOWN],
        "can_run": user.can(Role.OPERATOR, team.pk),
        "can_edit": user.can(Role.EDITOR, team.pk),
    }
    return render(request, "agents/bench.html", context, status=422 if form.errors else 200)


def _trial(request: HttpRequest, trials: Any) -> dict[str, Any]:
    """Return how the trial stands that is asked for. Raises Http404 for one of somebody else, or none."""
    if "run" not in request.GET:
        return {}
    try:
        run: Run | None = trials.filter(pk=UUID(request.GET["run"])).first()
    except ValueError:
        run = None
    if run is None:
        raise Http404
    row = run.node_runs.filter(path=NODE).first()
    text = run.output.get("text") if isinstance(run.output, dict) else texts_so_far(str(run.pk)).get(NODE)
    return {
        "run": run,
        "row": row,
        "steps": steps_of(row) if row else [],
        "text": render_markdown(text[:40_000]) if text else "",
        "asked": Approval.objects.filter(run=run, status="open").order_by("id"),
    }
