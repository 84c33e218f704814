"""What a trigger's fields must be; every problem is found at once, with its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from apps.runs.models import PriorityLevel
from apps.triggers import schedules
from apps.triggers.mapping import find_mapping_problems
from apps.triggers.models import Kind, Misfire, Overlap
from orchestra.engine.status import FINAL_RUN, RunStatus
from orchestra.errors import InvalidInput, Problem

MOST_CATCH_UP = 100
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    Kind.SCHEDULE: {
        "cron": "",
        "time_zone": "UTC",
        "misfire": Misfire.ONCE.value,
        "catch_up": 10,
        "overlap": Overlap.ALLOW.value,
    },
    Kind.WEBHOOK: {"overlap": Overlap.ALLOW.value},
    Kind.EVENT: {"statuses": [RunStatus.SUCCEEDED.value], "overlap": Overlap.ALLOW.value},
    Kind.FORM: {"is_public": False, "title": "", "text": "", "overlap": Overlap.ALLOW.value},
}
"""The settings of each kind with what they are when nothing is said."""


def completed(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the defaults of their kind filled in."""
    return {**DEFAULTS.get(kind, {}), **settings}


def check_trigger(*, name: str, kind: str, settings: Any, mapping: Any, priority: int, now: datetime) -> None:
    """Raise InvalidInput with every problem of a trigger; `settings` are complete."""
    found = [*_name_problems(name)]
    if kind not in Kind.values:
        found.append(_problem("kind", _("Choose one of: %(names)s.") % {"names": ", ".join(Kind.values)}))
    elif not isinstance(settings, Mapping):
        found.append(_problem("settings", _("Settings are an object.")))
    else:
        found += [_problem(f"settings.{key}", text) for key, text in _settings_problems(kind, settings, now)]
        found += find_mapping_problems(mapping, kind)
    if priority not in PriorityLevel.values:
        found.append(_problem("priority", _("Use 0 (low), 1, 2 or 3 (critical).")))
    if found:
        raise InvalidInput(problems=found)


def _name_problems(name: str) -> list[Problem]:
    if not name.strip():
        return [Problem("name", "required", _("A name is needed."))]
    return [Problem("name", "too_long", _("At most 80 characters."))] if len(name) > 80 else []


def _settings_problems(kind: str, settings: Mapping[str, Any], now: datetime) -> list[tuple[str, str]]:
    known = DEFAULTS[kind]
    unknown = [key for key in settings if key not in known]
    words = _("There is no such setting. There are: %(names)s.") % {"names": ", ".join(sorted(known))}
    found = [(str(key), words) for key in unknown]
    found += [
        (key, message) for key, value in settings.items() if key in _RULES and (message := _RULES[key](value))
    ]
    if kind == Kind.SCHEDULE and not found:
        found += _schedule_problems(settings, now)
    return found


def _schedule_problems(settings: Mapping[str, Any], now: datetime) -> list[tuple[str, str]]:
    try:
        schedules.check(settings["cron"], settings["time_zone"], now)
    except schedules.BadSchedule as error:
        return [("time_zone" if "time zone" in str(error) else "cron", str(error))]
    return []


def _one_of(values: list[str]) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        return "" if value in values else _("Choose one of: %(names)s.") % {"names": ", ".join(values)}

    return rule


def _text_up_to(longest: int) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if isinstance(value, str) and len(value) <= longest:
            return ""
        return _("A text of at most %(count)s characters.") % {"count": longest}

    return rule


def _statuses(value: Any) -> str:
    names = sorted(status.value for status in FINAL_RUN)
    if isinstance(value, list) and value and all(one in names for one in value):
        return ""
    return _("A list of at least one of: %(names)s.") % {"names": ", ".join(names)}


def _catch_up(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_CATCH_UP:
        return ""
    return _("A whole number from 1 to %(count)s.") % {"count": MOST_CATCH_UP}


_RULES: Mapping[str, Callable[[Any], str]] = {
    "cron": _text_up_to(schedules.LONGEST),
    "time_zone": _text_up_to(60),
    "misfire": _one_of(Misfire.values),
    "overlap": _one_of(Overlap.values),
    "catch_up": _catch_up,
    "statuses": _statuses,
    "is_public": lambda value: "" if isinstance(value, bool) else _("Either true or false."),
    "title": _text_up_to(120),
    "text": _text_up_to(4000),
}


def _problem(path: str, message: str) -> Problem:
    return Problem(path, "invalid", message)
