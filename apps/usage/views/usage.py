"""The page that says what calls of models used: a chart by day, lines by what they were made for, CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from apps.accounts.models import User
from apps.accounts.pages import person_of
from apps.accounts.teams import active_team
from apps.usage.serializers import MOST_DAYS, period_of
from apps.usage.spreadsheet import as_csv
from apps.usage.sums import Line, Only, Period, calls_of, grouped, shares, total_of

GROUP_WORDS: Mapping[str, str | Promise] = {
    "model": gettext_lazy("Model"),
    "workflow": gettext_lazy("Workflow"),
    "agent": gettext_lazy("Agent"),
    "user": gettext_lazy("Person"),
    "connection": gettext_lazy("Connection"),
}
MEASURES: Mapping[str, str | Promise] = {
    "cost": gettext_lazy("Cost"),
    "tokens": gettext_lazy("Tokens"),
    "calls": gettext_lazy("Calls"),
}
SPANS = (7, 30, 90)
BAR = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """What the address asks for; anything it does not understand is left out."""

    period: Period
    only: Only
    by: str
    of: str
    given: Mapping[str, str]
    """The filters as they stand in the address, whatever the period."""

    @classmethod
    def of_request(cls, request: HttpRequest, user: User) -> Shown:
        query = request.GET
        given = {name: query[name] for name in GROUP_WORDS if name in query}
        by, of = query.get("by", ""), query.get("of", "")
        return cls(
            period=_period(query, user),
            only=Only(**given),  # type: ignore[arg-type]  # the names of the groups are texts
            by=by if by in GROUP_WORDS else "model",
            of=of if of in MEASURES else "cost",
            given=given,
        )

    def address(self, without: str = "", **changes: Any) -> str:
        """Return the address of this page with something changed; a filter is taken away by its name."""
        pairs = {
            "since": self.period.since.isoformat(),
            "until": self.period.until.isoformat(),
            "by": self.by,
            "of": self.of,
            **self.given,
            **changes,
        }
        return "?" + urlencode({name: value for name, value in pairs.items() if name != without})


def _period(query: QueryDict, user: User) -> Period:
    found = {name: _date(query.get(name, "")) for name in ("since", "until")}
    since, until = found["since"], found["until"]
    if since and until and not timedelta(0) <= until - since < timedelta(days=MOST_DAYS):
        found["since"] = None
    if since and not until and timezone.localdate() - since >= timedelta(days=MOST_DAYS):
        found["since"] = None
    return period_of({name: day for name, day in found.items() if day}, user)


def _date(text: str) -> Any:
    try:
        return parse_date(text)
    except ValueError:
        return None


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Show what the active team used."""
    user, team = person_of(request), active_team(request)
    shown = Shown.of_request(request, user)
    rows = calls_of(user, team, shown.period, shown.only)
    days = grouped(rows, "day", shown.period)
    context = {
        "shown": shown,
        "period": shown.period,
        "total": total_of(rows),
        "lines": _listed(shown, grouped(rows, shown.by, shown.period)),
        "by_title": GROUP_WORDS[shown.by],
        "measure": MEASURES[shown.of],
        "day_values": [_value(line, shown.of) for line in days],
        "day_labels": [date_format(day, "MONTH_DAY_FORMAT") for day in shown.period.days],
        "groups": _tabs(shown, "by", GROUP_WORDS),
        "measures": _tabs(shown, "of", MEASURES),
        "spans": _spans(shown),
        "filters": [
            {"word": GROUP_WORDS[name], "value": value or _("none"), "url": shown.address(without=name)}
            for name, value in shown.given.items()
        ],
        "csv_urls": [
            (label, reverse("usage:csv") + shown.address(by=by))
            for by, label in (("day", _("Day")), (shown.by, GROUP_WORDS[shown.by]))
        ],
    }
    return render(request, "usage/page.html", context)


@require_safe
@login_required
def spreadsheet(request: HttpRequest) -> HttpResponse:
    """Answer with the lines of the page as CSV; `by=day` gives the days."""
    user, team = person_of(request), active_team(request)
    shown = Shown.of_request(request, user)
    by = "day" if request.GET.get("by") == "day" else shown.by
    lines = grouped(calls_of(user, team, shown.period, shown.only), by, shown.period)
    name = f"usage-{team.slug}-{by}-{shown.period.since}-{shown.period.until}.csv"
    return HttpResponse(
        as_csv(by, lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _value(line: Line, of: str) -> float:
    return round(float(getattr(line, of)), 4)


def _listed(shown: Shown, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the lines as the table shows them: with a bar, and a link that narrows the page down to each."""
    parts = shares(lines, shown.of)
    return [
        {
            "line": line,
            "label": line.label or _("none"),
            "bar": round(part * BAR, 2),
            "success": "—" if line.success is None else f"{number_format(line.success, 1)} %",
            "url": shown.address(**{shown.by: line.key or ""}),
        }
        for line, part in zip(lines, parts, strict=True)
    ]


def _tabs(shown: Shown, name: str, words: Mapping[str, str | Promise]) -> list[dict[str, Any]]:
    current = getattr(shown, name)
    return [
        {"label": label, "url": shown.address(**{name: value}), "current": value == current}
        for value, label in words.items()
    ]


def _spans(shown: Shown) -> list[dict[str, Any]]:
    today = timezone.localdate(timezone=shown.period.zone)
    return [
        {
            "label": ngettext("%(n)s day", "%(n)s days", days) % {"n": days},
            "url": shown.address(since=today - timedelta(days=days - 1), until=today),
            "current": shown.period.until == today and len(shown.period.days) == days,
        }
        for days in SPANS
    ]
