"""The list of runs: filters in the address, pages by cursor, rows for the script when they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import Team, User
from apps.accounts.teams import active_team
from apps.runs.actions import act_on_runs
from apps.runs.actions.bulk import BULK_ACTIONS
from apps.runs.models import RUN_STATUS_CHOICES, Run
from apps.runs.views.page import formats
from apps.workflows.models import Workflow
from apps.workflows.views.guards import person, rights, signed_in
from orchestra.engine.status import RunStatus

PAGE_SIZE = 40
MAX_ROWS = 100
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; anything it does not understand is left out."""

    workflow: str
    status: str
    query: str
    is_mine: bool

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        status = request.GET.get("status", "")
        return cls(
            workflow=request.GET.get("workflow", ""),
            status=status if status == OPEN or status in set(RunStatus) else "",
            query=request.GET.get("q", "").strip()[:200],
            is_mine=request.GET.get("mine", "") == "1",
        )

    def __bool__(self) -> bool:
        return bool(self.workflow or self.status or self.query or self.is_mine)

    @property
    def as_query(self) -> str:
        """The filters as they stand in the address."""
        pairs = {
            "workflow": self.workflow,
            "status": self.status,
            "q": self.query,
            "mine": "1" * self.is_mine,
        }
        return urlencode({name: value for name, value in pairs.items() if value})

    def apply(self, runs: QuerySet[Run], user: User) -> QuerySet[Run]:
        if self.workflow:
            runs = runs.filter(workflow__slug=self.workflow)
        if self.status:
            runs = runs.open() if self.status == OPEN else runs.filter(status=self.status)  # type: ignore[attr-defined]  # RunQuerySet
        if self.is_mine:
            runs = runs.filter(started_by=user)
        for word in self.query.split():
            runs = runs.filter(_matches(word))
        return runs


def _matches(word: str) -> Q:
    named = Q(workflow__name__icontains=word) | Q(workflow__slug__icontains=word) | Q(tags__icontains=word)
    number = word.removeprefix("#")
    return named | Q(number=int(number)) if number.isdecimal() and len(number) < 12 else named


def shown_runs(user: User, team: Team) -> QuerySet[Run]:
    """Return the runs of a team as rows show them, newest first, without what is heavy."""
    found = Run.objects.visible_to(user).filter(team=team).select_related("workflow", "started_by", "version")
    heavy = ("input", "output", "version__plan", "version__definition", "version__text")
    return found.defer(*heavy, "workflow__draft", "workflow__draft_text").order_by("-id")


@require_safe
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Every run of the active team, newest first."""
    team, user, filters = active_team(request), person(request), Filters.of(request)
    before = _uuid(request.GET.get("before", ""))
    found = filters.apply(shown_runs(user, team), user)
    page = list((found.filter(pk__lt=before) if before else found)[: PAGE_SIZE + 1])
    context = {
        "runs": page[:PAGE_SIZE],
        "next": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "is_first": before is None,
        "filters": filters,
        "team": team,
        "workflows": Workflow.objects.visible_to(user)
        .filter(team=team)
        .only("slug", "name")
        .order_by("name"),
        "statuses": RUN_STATUS_CHOICES,
        "formats": formats(),
        **rights(user, team),
    }
    return render(request, "runs/list.html", context)


@require_safe
@signed_in
def rows(request: HttpRequest) -> HttpResponse:
    """The rows of the runs named by `id`, as far as the filters let them through, newest first."""
    team, user = active_team(request), person(request)
    ids = [found for text in request.GET.getlist("id")[:MAX_ROWS] if (found := _uuid(text))]
    found = Filters.of(request).apply(shown_runs(user, team), user).filter(pk__in=ids)
    return render(request, "runs/rows.html", {"runs": found, **rights(user, team)})


@require_POST
@signed_in
def bulk(request: HttpRequest) -> HttpResponse:
    """Do one thing to every run that is ticked, as far as it can be done to it."""
    user, action = person(request), request.POST.get("action", "")
    if action not in BULK_ACTIONS:
        return HttpResponseBadRequest()
    ids = [found for text in request.POST.getlist("id")[:MAX_ROWS] if (found := _uuid(text))]
    chosen = Run.objects.visible_to(user).filter(pk__in=ids).select_related("workflow", "version")
    answers = act_on_runs(action=action, runs=chosen.order_by("pk"), by=user)
    done = sum(answer.error is None for answer in answers)
    if done:
        words = {
            "cancel": ngettext("%(n)s run is cancelled.", "%(n)s runs are cancelled.", done),
            "pause": ngettext("%(n)s run is paused.", "%(n)s runs are paused.", done),
            "resume": ngettext("%(n)s run goes on.", "%(n)s runs go on.", done),
            "retry": ngettext("%(n)s run is retried.", "%(n)s runs are retried.", done),
        }
        messages.success(request, words[action] % {"n": done})
    if refused := len(answers) - done:
        words_left = ngettext(
            "%(n)s run is not in a state that allows this.",
            "%(n)s runs are not in a state that allows this.",
            refused,
        )
        messages.info(request, words_left % {"n": refused})
    return redirect(back_to(request, "runs:list"))


def back_to(request: HttpRequest, default: str) -> str:
    """Return where a form wants to go next, when that is a page of ours."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if wanted and is_ours else default


def _uuid(text: str) -> Any:
    try:
        return UUID(text)
    except ValueError:
        return None
