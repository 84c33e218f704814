"""When the span of a budget began."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from apps.usage.models import Span

EVER = datetime(1970, 1, 1, tzinfo=UTC)


def start_of(span: str, zone: str, now: datetime) -> datetime:
    """Return when the day or month began in which `now` lies, in a time zone; EVER for `total`."""
    if span == Span.TOTAL:
        return EVER
    today = now.astimezone(ZoneInfo(zone)).date()
    first = today.replace(day=1) if span == Span.MONTH else today
    return datetime.combine(first, time.min, ZoneInfo(zone)).astimezone(UTC)
