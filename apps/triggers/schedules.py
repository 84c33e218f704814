"""Cron expressions in a time zone: what is due when. Pure: no database, and the time is passed in.

Five fields, or six with seconds first. Where the clock is put forward a due time in the gap comes right after it;
where it is put back a due time happens once (as Debian's cron does).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
LONGEST = 200


class BadSchedule(ValueError):
    """An expression that is none, or that never comes due."""


def check(expression: str, zone: str, now: datetime) -> None:
    """Raise BadSchedule for an expression or a zone that cannot be used."""
    if zone not in available_timezones():
        raise BadSchedule(f"There is no time zone {zone[:60]!r}; use a name such as Europe/Berlin or UTC.")
    try:
        upcoming(expression, zone, now, 1)[0]
    except IndexError:
        raise BadSchedule("This never comes due.") from None


def upcoming(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` due times after a moment, in UTC; fewer when no more will come."""
    return list(islice(_times(expression, zone, after), count))


def following(expression: str, zone: str, after: datetime) -> datetime | None:
    """Return the first due time after a moment, in UTC."""
    return next(_times(expression, zone, after), None)


def passed(expression: str, zone: str, since: datetime, until: datetime, most: int) -> list[datetime]:
    """Return the last `most` due times from `since` to `until`, both included, the oldest first."""
    ends = until.replace(microsecond=0)
    backwards = _times(expression, zone, ends + _margin(expression), is_reverse=True)
    wanted = takewhile(lambda at: at >= since, dropwhile(lambda at: at > ends, backwards))
    return sorted(islice(wanted, most))


def _margin(expression: str) -> timedelta:
    """Return how far ahead to begin going back.

    Expressions of five fields are matched on the clock's face, which shows an hour twice when it is put back.
    """
    return timedelta(seconds=1) if len(expression.split()) == 6 else timedelta(hours=3)


def _times(expression: str, zone: str, after: datetime, *, is_reverse: bool = False) -> Iterator[datetime]:
    text = MACROS.get(expression.strip().lower(), expression.strip())
    if len(text) > LONGEST:
        raise BadSchedule(f"A schedule has at most {LONGEST} characters.")
    try:
        for local in CronSim(text, after.astimezone(ZoneInfo(zone)), reverse=is_reverse):
            at = local.astimezone(UTC)
            if (at < after) if is_reverse else (at > after):
                yield at
    except (CronSimError, RecursionError) as error:
        raise BadSchedule(
            f"This is not a schedule ({error}): give minute, hour, day of the month, month and day of the week,"
            " such as 30 8 * * 1-5; six fields begin with the second."
        ) from error
