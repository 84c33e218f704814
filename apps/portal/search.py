"""Finding things by a few letters: pages, workflows, runs, agents and conversations that a person may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import Team, User
from apps.agents.models import Agent
from apps.chat.models import Conversation
from apps.portal.context import PLACES, SHORTCUTS
from apps.runs.models import Run
from apps.workflows.models import Workflow

OF_EACH = 6
LONGEST_QUERY = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found, and where it is."""

    kind: str
    title: str
    url: str
    icon: str
    detail: str = ""
    keys: str = ""


def find(user: User, team: Team | None, query: str) -> list[Hit]:
    """Return what fits the words, at most six of each kind; without words the pages and what is new.

    Every word has to stand in a name; a number, with or without #, also finds runs.
    """
    words = query[:LONGEST_QUERY].split()
    hits = list(_pages(words))
    if team is not None:
        for part in (_workflows, _agents, _conversations, _runs):
            hits += part(user, team, words)
    return hits


def _pages(words: list[str]) -> Iterator[Hit]:
    places = [(place.url_name, str(place.label), place.icon) for place in PLACES]
    places += [("settings:keys", _("API keys"), "key"), ("settings:security", _("Security"), "shield")]
    for name, label, icon in places:
        if all(word.lower() in label.lower() for word in words):
            yield Hit("page", label, reverse(name), icon, keys=SHORTCUTS.get(name, ""))


def _workflows(user: User, team: Team, words: list[str]) -> list[Hit]:
    rows: Any = Workflow.objects.visible_to(user).filter(team=team, archived_at=None)
    rows = _with_words(rows, words, "name", "slug").only("name", "slug").order_by("-updated_at")
    return [
        Hit("workflow", row.name, reverse("workflows:detail", args=[row.slug]), "workflow", row.slug)
        for row in rows[:OF_EACH]
    ]


def _agents(user: User, team: Team, words: list[str]) -> list[Hit]:
    rows: Any = Agent.objects.visible_to(user).filter(team=team)
    rows = _with_words(rows, words, "name", "slug").only("name", "slug").order_by("name")
    return [
        Hit("agent", row.name, f"{reverse('chat:list')}?with=agent:{row.slug}", "agent", _("Talk to it"))
        for row in rows[:OF_EACH]
    ]


def _conversations(user: User, team: Team, words: list[str]) -> list[Hit]:
    rows: Any = Conversation.objects.visible_to(user).filter(team=team)
    rows = _with_words(rows, words, "title").select_related("agent", "workflow")
    return [
        Hit("conversation", row.name, reverse("chat:show", args=[row.pk]), "chat", row.partner_name)
        for row in rows[:OF_EACH]
    ]


def _runs(user: User, team: Team, words: list[str]) -> list[Hit]:
    """Return the newest runs; a word that is a number finds the runs with this number, of any workflow."""
    rows: Any = Run.objects.visible_to(user).filter(team=team)
    for word in words:
        number = word.removeprefix("#")
        wanted = Q(workflow__name__icontains=word) | Q(workflow__slug__icontains=word)
        if number.isdecimal() and len(number) < 12:
            wanted |= Q(number=int(number))
        rows = rows.filter(wanted)
    rows = rows.select_related("workflow").only("number", "status", "workflow__name").order_by("-pk")
    return [
        Hit("run", f"{row.workflow.name} #{row.number}", reverse("runs:detail", args=[row.pk]), "run",
            str(row.get_status_display()))
        for row in rows[:OF_EACH]
    ]  # fmt: skip


def _with_words(rows: Any, words: list[str], *fields: str) -> Any:
    for word in words:
        wanted = Q()
        for field in fields:
            wanted |= Q(**{f"{field}__icontains": word})
        rows = rows.filter(wanted)
    return rows
