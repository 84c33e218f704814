"""Pages about remote agents: one command to paste, draining and switching."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.problems import add_problems
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.agents import actions
from apps.agents.forms import ProblemsMixin
from apps.agents.models import Agent, AgentToken
from orchestra.errors import OrchestraError

TOKENS_SHOWN = 50


class TokenForm(ProblemsMixin, forms.Form):
    """Who is to be let in, with which capabilities, and for how long."""

    LIVES = [
        ("1", gettext_lazy("1 day")),
        ("30", gettext_lazy("30 days")),
        ("365", gettext_lazy("1 year")),
        ("0", gettext_lazy("Until it is revoked")),
    ]

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, help_text=gettext_lazy("Of the agent."))
    capabilities = forms.CharField(
        label=gettext_lazy("Capabilities"),
        max_length=2000,
        help_text=gettext_lazy("Separated by commas: “translate;languages=de|fr, summarise”."),
    )
    days = forms.ChoiceField(label=gettext_lazy("Valid for"), choices=LIVES, initial="30")

    def given_capabilities(self) -> list[str]:
        """Return the capabilities, one text each."""
        return [word.strip() for word in self.cleaned_data["capabilities"].split(",") if word.strip()]


@login_required
@never_cache
def add(request: HttpRequest) -> HttpResponse:
    """Make a registration token and show the commands that use it; its text is on this page and nowhere else."""
    user, team = person_of(request), active_team(request)
    require(user, team.pk, Role.EDITOR)
    form, commands = TokenForm(request.POST or None), {}
    if request.method == "POST" and form.is_valid():
        capabilities, days = form.given_capabilities(), int(form.cleaned_data["days"])
        expires_at = timezone.now() + timedelta(days=days) if days else None
        name = form.cleaned_data["name"]
        try:
            _token, text = actions.create_agent_token(
                team=team, name=name, capabilities=capabilities, expires_at=expires_at, by=user
            )
        except OrchestraError as error:
            add_problems(form, error)
        else:
            url = request.build_absolute_uri("/").rstrip("/")
            commands = commands_for(url, text, name, capabilities)
            form = TokenForm()
    tokens = AgentToken.objects.visible_to(user).filter(team=team, revoked_at=None)[:TOKENS_SHOWN]
    context = {"form": form, "commands": commands, "tokens": tokens}
    return render(request, "agents/remote.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """End a registration token; agents that came with it stay."""
    mine = AgentToken.objects.visible_to(person_of(request)).filter(team=active_team(request))
    token = get_object_or_404(mine, prefix=request.POST.get("token", ""))
    actions.revoke_agent_token(token=token, by=person_of(request))
    messages.success(request, _("Nobody can register with this token any more."))
    return redirect("agents:remote")


@login_required
@require_POST
def control(request: HttpRequest, slug: str) -> HttpResponse:
    """Drain an agent, give it work again, disable or enable it."""
    user = person_of(request)
    mine = Agent.objects.visible_to(user).filter(team=active_team(request))
    agent = get_object_or_404(mine, slug=slug)
    wanted = request.POST.get("to", "")
    try:
        if wanted in {"drain", "undrain"}:
            actions.drain_agent(agent=agent, is_draining=wanted == "drain", by=user)
        elif wanted in {"disable", "enable"}:
            actions.switch_agent(agent=agent, is_enabled=wanted == "enable", by=user)
    except OrchestraError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("Saved."))
    return redirect("working:agent", agent.slug)


def commands_for(url: str, token: str, name: str, capabilities: list[str]) -> dict[str, str]:
    """Return a command line for each of the programs that are shipped, in words that a shell takes as they are."""
    words = ["--url", url, "--token", token, "--name", name]
    for capability in capabilities:
        words += ["--capability", capability]
    rest = " ".join(map(_quoted, words))
    return {
        "Python": f"PYTHONPATH=sdk/python python -m orchestra_agent {rest}",
        "Node": f"node sdk/javascript/main.js {rest}",
    }


def _quoted(word: str) -> str:
    is_plain = all(letter.isalnum() or letter in "-_./:" for letter in word)
    return word if is_plain else "'" + word.replace("'", "'\\''") + "'"
