"""Kind `wait`: stop until a time, or until somebody outside sends a signal to the run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.expressions import has_holes
from orchestra.engine.nodes.base import Kind, Settings, expression_or, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome, Suspend
from orchestra.engine.plan import OUT
from orchestra.errors import Permanent, Problem

DONE = "done"
EXPIRED = "expired"
TIME = "time"
"""`waiting_for` of a wait for a time; one for a signal has `signal:<name>`."""
LONGEST_SECONDS = 366 * 86_400
SIGNAL_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_WAYS = ("seconds", "until", "signal")

SCHEMA = object_schema(
    {
        "seconds": expression_or(
            {"type": "number", "title": "Seconds", "minimum": 0, "maximum": LONGEST_SECONDS}
        ),
        "until": text_field("Until", "A time with its zone: 2026-03-01T09:00:00+01:00.", minLength=1),
        "signal": text_field("Signal", "The name of the signal that ends the wait.", minLength=1),
        "expires": expression_or(
            {
                "type": "number",
                "title": "Expires (s)",
                "description": "Seconds after which it no longer waits for the signal; the port is then “expired”.",
                "exclusiveMinimum": 0,
                "maximum": LONGEST_SECONDS,
            }
        ),
    }
)


class BadWait(Permanent):
    """What the node should wait for makes no sense."""

    code = "bad_wait"
    hint = (
        "Look at the node's `seconds`, `until`, `signal` and `expires`, and at what their expressions give."
    )


async def run(context: Context, settings: Settings) -> Outcome:
    """Lay the node down until its time or signal comes. Raises BadWait."""
    if "signal" in settings:
        expires = settings.get("expires")
        return Suspend(
            signal_key(name_of(settings["signal"])), None if expires is None else seconds_of(expires)
        )
    if "until" in settings:
        return Suspend(TIME, due_at=time_of(settings["until"]))
    return Suspend(TIME, seconds_of(settings["seconds"]))


def on_due(settings: Settings) -> Done:
    """Return how the node ends when its time has come: the wait is over, or the signal did not come."""
    if "signal" in settings:
        return Done({"reason": EXPIRED, "payload": None}, ports=(OUT, EXPIRED))
    return Done({"reason": TIME, "payload": None}, ports=(OUT, DONE))


def on_signal(payload: Any) -> Done:
    """Return how the node ends when its signal comes."""
    return Done({"reason": "signal", "payload": payload}, ports=(OUT, DONE))


def signal_key(name: str) -> str:
    """Return the `waiting_for` of a node that waits for this signal."""
    return f"signal:{name}"


def name_of(value: Any) -> str:
    """Return the name of a signal. Raises BadWait."""
    if not isinstance(value, str) or not SIGNAL_NAME.fullmatch(value):
        raise BadWait("A signal's name has 1 to 100 letters, digits and the signs _ . : -")
    return value


def seconds_of(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_SECONDS:
        raise BadWait(f"A wait takes a number of seconds from 0 to {LONGEST_SECONDS:,} (366 days).")
    return float(value)


def time_of(value: Any) -> datetime:
    """Return a time that names its zone. Raises BadWait."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None:
        raise BadWait("`until` needs a date and time with its zone, such as 2026-03-01T09:00:00+01:00.")
    return at


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """None or several of the three ways to wait; constants that make no sense."""
    given = [name for name in _WAYS if name in settings]
    if len(given) != 1:
        yield Problem(path, "bad_value", "Give exactly one of `seconds`, `until` and `signal`.")
    if "expires" in settings and "signal" not in settings:
        yield Problem(f"{path}.expires", "bad_value", "Only a wait for a signal can expire.")
    for name, check in (("until", time_of), ("signal", name_of)):
        if name in settings and not has_holes(settings[name]):
            try:
                check(settings[name])
            except BadWait as error:
                yield Problem(f"{path}.{name}", "bad_value", error.message)


KIND = Kind(
    name="wait",
    title="Wait",
    description="Stop until a time, or an outside signal.",
    schema=SCHEMA,
    run=run,
    ports=lambda settings: (DONE, EXPIRED) if "signal" in settings else (DONE,),
    find_problems=find_problems,
    fields=("reason", "payload"),
    waits=True,
    on_due=on_due,
)
