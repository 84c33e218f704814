"""What every page's frame needs: theme, navigation, teams. Read lazily, so fragments pay nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team, Theme
from apps.accounts.teams import team_of
from apps.runs.live.asking import TOPICS_LIMIT
from apps.runs.live.wire import approvals_topic
from apps.runs.models import Approval


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation."""

    url_name: str
    label: str | Promise
    icon: str

    @property
    def space(self) -> str:
        return self.url_name.partition(":")[0]


PLACES = (
    Place("portal:home", _("Home"), "home"),
    Place("workflows:list", _("Workflows"), "workflow"),
    Place("runs:list", _("Runs"), "run"),
    Place("chat:list", _("Chat"), "chat"),
    Place("inbox:list", _("Inbox"), "mail"),
    Place("agents:list", _("Agents"), "agent"),
    Place("tools:list", _("Tools"), "kind-function"),
    Place("connections:list", _("Connections"), "connection"),
    Place("triggers:list", _("Triggers"), "bolt"),
    Place("usage:page", _("Usage"), "coins"),
    Place("team:members", _("Team"), "team"),
    Place("settings:profile", _("Settings"), "settings"),
)
TAB_BAR = (PLACES[0], *PLACES[2:5], Place("settings:profile", _("Me"), "user"))
BESIDE = tuple(place for place in PLACES if place.url_name not in {one.url_name for one in TAB_BAR})
"""What the tab bar of small screens has no room for; it stands under “Me”."""

SHORTCUTS = {
    "portal:home": "g h", "workflows:list": "g w", "runs:list": "g r", "chat:list": "g c", "inbox:list": "g i",
    "agents:list": "g a", "settings:profile": "g s",
}  # fmt: skip
"""Keys, one after the other, that lead to a place from anywhere."""


class Frame:
    """The frame around one page, for one request."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @cached_property
    def person(self) -> Any:
        user = getattr(self.request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @cached_property
    def theme(self) -> str:
        wanted = (
            self.person.theme if self.person else self.request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
        )
        return wanted if wanted in Theme.values else Theme.SYSTEM

    @cached_property
    def themes(self) -> list[dict[str, Any]]:
        icons = {Theme.SYSTEM: "monitor", Theme.LIGHT: "sun", Theme.DARK: "moon"}
        return [
            {"value": t.value, "label": t.label, "icon": icons[t], "current": t == self.theme} for t in Theme
        ]

    @cached_property
    def theme_icon(self) -> str:
        return next(str(theme["icon"]) for theme in self.themes if theme["current"])

    @cached_property
    def languages(self) -> list[dict[str, str]]:
        return [
            {"code": code, "name": get_language_info(code)["name_local"]}
            for code, _name in settings.LANGUAGES
        ]

    @cached_property
    def teams(self) -> list[Team]:
        if self.person is None:
            return []
        return list(Team.objects.filter(memberships__user=self.person).order_by("name"))

    @cached_property
    def team(self) -> Team | None:
        try:
            return team_of(self.request) if self.person else None
        except Http404:
            return None

    @cached_property
    def inbox_count(self) -> int:
        """How many open approvals wait for this person."""
        if self.person is None:
            return 0
        return int(Approval.objects.for_decider(self.person).open().exclude(votes__by=self.person).count())

    @cached_property
    def inbox_stream(self) -> str:
        """The address of the stream that tells what any of this person's teams is asked; "" without a team."""
        if self.team is None or self.person is None:
            return ""
        others = sorted(team for team in self.person.roles if team != self.team.pk)
        topics = [approvals_topic(team) for team in [self.team.pk, *others][:TOPICS_LIMIT]]
        return f"/api/v1/events/stream?topics={','.join(topics)}"

    @cached_property
    def shortcuts(self) -> list[dict[str, Any]]:
        """The keys that lead to places, for the sheet that lists them."""
        return [
            {"keys": SHORTCUTS[place.url_name], "url": reverse(place.url_name), "label": place.label}
            for place in PLACES
            if place.url_name in SHORTCUTS
        ]

    @cached_property
    def navigation(self) -> list[dict[str, Any]]:
        return self._entries(PLACES)

    @cached_property
    def tab_bar(self) -> list[dict[str, Any]]:
        return self._entries(TAB_BAR)

    @cached_property
    def beside_tab_bar(self) -> list[dict[str, Any]]:
        return self._entries(BESIDE)

    def _entries(self, places: tuple[Place, ...]) -> list[dict[str, Any]]:
        match = getattr(self.request, "resolver_match", None)
        here = match.namespace if match else ""
        name = match.view_name if match else ""
        entries = []
        for place in places:
            try:
                url = reverse(place.url_name)
            except NoReverseMatch:
                continue
            current = name == place.url_name if place.space == "portal" else here == place.space
            count = self.inbox_count if place.space == "inbox" else 0
            entries.append(
                {
                    "url": url,
                    "label": place.label,
                    "icon": place.icon,
                    "current": current,
                    "count": count,
                    "is_inbox": place.space == "inbox",
                }
            )
        return entries


def frame(request: HttpRequest) -> dict[str, Frame]:
    """Put the frame into every template as `frame`."""
    return {"frame": Frame(request)}
