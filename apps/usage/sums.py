"""What was used: sums of model calls by day, model, workflow, agent, connection, person, run or node.

Every level is a sum of the same rows, so the levels agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncDate

from apps.accounts.models import Team, User
from apps.usage.models import ModelCall

MOST_LINES = 1000
GROUPS: Mapping[str, tuple[str, ...]] = {
    "day": ("day",),
    "model": ("model",),
    "workflow": ("workflow",),
    "agent": ("agent",),
    "connection": ("connection",),
    "user": ("user_id", "user__username", "user__display_name"),
    "run": ("run", "workflow", "number"),
    "node": ("node",),
}
AMOUNTS: Mapping[str, Any] = {
    "calls": Sum("calls"),
    "failed": Sum("failed"),
    "recent_runs": Count("run", distinct=True),
    "older_runs": Sum("runs"),
    "input_tokens": Sum("input_tokens"),
    "output_tokens": Sum("output_tokens"),
    "cost": Sum("cost"),
    "seconds": Sum("seconds"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """The sum of some calls; `key` says which, `label` says it to people."""

    key: str | None
    label: str
    calls: int = 0
    failed: int = 0
    runs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def success(self) -> float | None:
        """The share of calls that were answered, in percent; None without calls."""
        return round(100 * (self.calls - self.failed) / self.calls, 1) if self.calls else None

    @property
    def seconds_per_call(self) -> float | None:
        return round(self.seconds / self.calls, 3) if self.calls else None


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days of a time zone, both ends included."""

    since: date
    until: date
    zone: ZoneInfo

    @property
    def days(self) -> list[date]:
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.since, time.min, self.zone)

    @property
    def ends_at(self) -> datetime:
        return datetime.combine(self.until + timedelta(days=1), time.min, self.zone)


@dataclass(frozen=True, slots=True)
class Only:
    """What the calls are narrowed down to; None: anything, an empty text: those without one."""

    model: str | None = None
    workflow: str | None = None
    agent: str | None = None
    connection: str | None = None
    user: str | None = None
    """A user name."""
    run: UUID | None = None

    def as_filter(self) -> dict[str, Any]:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        named = {name: value for name, value in given.items() if value is not None}
        if "user" in named:
            name = named.pop("user")
            named |= {"user__username": name} if name else {"user": None}
        return named


def calls_of(user: User, team: Team, period: Period, only: Only) -> QuerySet[ModelCall]:
    """Return the calls of a team in a period that the person may see, in no order."""
    rows = ModelCall.objects.visible_to(user).filter(
        team=team, at__gte=period.starts_at, at__lt=period.ends_at, **only.as_filter()
    )
    return rows.order_by()


def total_of(rows: QuerySet[ModelCall]) -> Line:
    """Return the sum of all."""
    return _line(None, "", rows.aggregate(**AMOUNTS))


def grouped(rows: QuerySet[ModelCall], by: str, period: Period) -> list[Line]:
    """Return a line per group: every day in order, of anything else the dearest first, at most MOST_LINES."""
    if by == "day":
        return _days(rows, period)
    columns = GROUPS[by]
    found = rows.values(*columns).annotate(**AMOUNTS)
    ordered = found.order_by(F("cost").desc(), F("input_tokens").desc(), columns[0])[:MOST_LINES]
    return [_line(*_named(by, row), row) for row in ordered]


def _days(rows: QuerySet[ModelCall], period: Period) -> list[Line]:
    found = rows.annotate(day=TruncDate("at", tzinfo=period.zone)).values("day").annotate(**AMOUNTS)
    by_day = {row["day"]: row for row in found}
    return [_line(day.isoformat(), day.isoformat(), by_day.get(day, {})) for day in period.days]


def _named(by: str, row: Mapping[str, Any]) -> tuple[str | None, str]:
    if by == "user":
        name = row["user__username"]
        return name, row["user__display_name"] or name or ""
    if by == "run":
        key = row["run"]
        return (None, "") if key is None else (str(key), f"{row['workflow']} #{row['number']}")
    return row[by], row[by]


def _line(key: str | None, label: str, row: Mapping[str, Any]) -> Line:
    amounts: dict[str, Any] = {name: row.get(name) or 0 for name in AMOUNTS}
    runs = amounts.pop("recent_runs") + amounts.pop("older_runs")
    cost = Decimal(str(amounts.pop("cost"))).quantize(Decimal("1e-8"))
    return Line(key, label, runs=runs, cost=cost, **amounts)


def shares(lines: Sequence[Line], of: str) -> list[float]:
    """Return each line's part of the greatest, from 0 to 1."""
    values = [float(getattr(line, of)) for line in lines]
    top = max([*values, 0.0])
    return [round(value / top, 4) if top else 0.0 for value in values]
