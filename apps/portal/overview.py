"""What the first page says about a team: recent runs, today's figures, what is ready, what is left to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Membership, Role, Team, User
from apps.agents.models import Agent, Connection
from apps.chat.models import Conversation
from apps.runs.actions.family import own
from apps.runs.models import Run, Worker
from apps.usage.models import Scope
from apps.usage.standing import Standing, standings
from apps.workflows.models import Workflow
from orchestra.engine.status import RunStatus

DAYS = 7
RECENT_RUNS = 8
MOST_BUDGETS = 3
RECENT_CONVERSATIONS = 4
RECENT_WORKFLOWS = 6
SILENT_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Today:
    """What a team's runs used since midnight in the reader's time zone."""

    runs: int
    open: int
    succeeded: int
    failed: int
    tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Day:
    """How many runs were started on one day."""

    date: date
    runs: int


@dataclass(frozen=True, slots=True)
class FirstThing:
    """One line of the first-run checklist."""

    label: str | Promise
    url_name: str
    is_done: bool


def recent_conversations(user: User, team: Team) -> list[Conversation]:
    """Return one's own conversations in a team, the last one first."""
    mine = Conversation.objects.visible_to(user).filter(team=team)
    return list(mine.select_related("agent", "workflow")[:RECENT_CONVERSATIONS])


def recent_runs(user: User, team: Team) -> QuerySet[Run]:
    """Return the team's newest runs, without their inputs and outputs."""
    runs = Run.objects.visible_to(user).filter(team=team).select_related("workflow", "started_by")
    return runs.defer("input", "output", "error", "workflow__draft", "workflow__draft_text")[:RECENT_RUNS]


def recent_workflows(user: User, team: Team) -> QuerySet[Workflow]:
    """Return the team's workflows that were changed last."""
    workflows = Workflow.objects.visible_to(user).filter(team=team, archived_at=None)
    return (
        workflows.select_related("published")
        .defer("draft", "draft_text", "published__definition", "published__plan", "published__text")
        .order_by("-updated_at")[:RECENT_WORKFLOWS]
    )


def today(user: User, team: Team) -> Today:
    """Sum up what was started since midnight."""
    sums: dict[str, Any] = (
        Run.objects.visible_to(user)
        .filter(team=team, created_at__gte=midnight())
        .order_by()
        .aggregate(
            runs=Count("id"),
            succeeded=Count("id", filter=Q(status=RunStatus.SUCCEEDED)),
            failed=Count("id", filter=Q(status=RunStatus.FAILED)),
            cancelled=Count("id", filter=Q(status=RunStatus.CANCELLED)),
            tokens_in=Sum("input_tokens", filter=own()),
            tokens_out=Sum("output_tokens", filter=own()),
            cost=Sum("cost", filter=own()),
        )
    )
    return Today(
        runs=sums["runs"],
        open=sums["runs"] - sums["succeeded"] - sums["failed"] - sums["cancelled"],
        succeeded=sums["succeeded"],
        failed=sums["failed"],
        tokens=(sums["tokens_in"] or 0) + (sums["tokens_out"] or 0),
        cost=sums["cost"] or Decimal(0),
    )


def budgets(user: User, team: Team) -> list[Standing]:
    """Return the budgets to show to everybody, the fullest first: the team's own, and what is nearly spent."""
    found = [one for one in standings(user, team) if one.budget.is_enabled]
    shown = [one for one in found if one.budget.scope == Scope.TEAM or one.warned or one.reached]
    return sorted(shown, key=lambda one: -one.percent)[:MOST_BUDGETS]


def last_days(user: User, team: Team) -> list[Day]:
    """Return the runs of each of the last seven days, oldest first, days without runs included."""
    start = midnight() - timedelta(days=DAYS - 1)
    counted = (
        Run.objects.visible_to(user)
        .filter(team=team, created_at__gte=start)
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values_list("day")
        .annotate(runs=Count("id"))
    )
    by_day = dict(counted)
    first = timezone.localdate() - timedelta(days=DAYS - 1)
    days = [first + timedelta(days=offset) for offset in range(DAYS)]
    return [Day(date=day, runs=by_day.get(day, 0)) for day in days]


def midnight() -> datetime:
    """Return the last midnight in the active time zone."""
    return timezone.make_aware(datetime.combine(timezone.localdate(), time.min))


def readiness(user: User, team: Team) -> dict[str, Any]:
    """Count what could work now: agents, connections, and workers that hold their lease."""
    connections = Connection.objects.visible_to(user).filter(team=team)
    return {
        "agents": Agent.objects.visible_to(user).filter(team=team, is_enabled=True).count(),
        "connections": connections.filter(is_enabled=True).count(),
        "default_connection": connections.filter(is_default=True).first(),
        "workers": Worker.objects.filter(lost_at=None, seen_at__gte=timezone.now() - SILENT_AFTER).count(),
    }


def checklist(user: User, team: Team) -> list[FirstThing]:
    """Return what a new team does first; only for those who may do it."""
    if not user.can(Role.EDITOR, team.pk):
        return []
    workflows = Workflow.objects.visible_to(user).filter(team=team)
    runs = Run.objects.visible_to(user).filter(team=team, status=RunStatus.SUCCEEDED)
    return [
        FirstThing(_("Connect a model"), "connections:create", Connection.objects.filter(team=team).exists()),
        FirstThing(_("Create a workflow"), "workflows:create", workflows.exists()),
        FirstThing(_("Publish it"), "workflows:list", workflows.exclude(published=None).exists()),
        FirstThing(_("See a run succeed"), "runs:list", runs.exists()),
        FirstThing(_("Invite somebody"), "team:members", Membership.objects.filter(team=team).count() > 1),
    ]
