"""Which tools a team has: the installation's functions and its own rows, by name."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.tools.models import ToolRow
from orchestra.errors import ToolFailed
from orchestra.tools import functions
from orchestra.tools.tool import Tool

SHOWN_NAMES = 20


class UnknownTool(ToolFailed):
    """There is no such tool."""

    code = "unknown_tool"
    hint = "Name a function of the installation or a tool of the team; the page Tools lists them."


class ToolNotAllowed(ToolFailed):
    """The tool may not be called."""

    code = "tool_not_allowed"
    hint = (
        "Open the tool's page: it may be switched off, denied, or waiting for somebody to accept its change."
    )


def schemas_of(team_id: UUID) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of the arguments of a team's own tools by name: what the compiler checks against."""
    return dict(ToolRow.objects.filter(team_id=team_id).values_list("name", "schema"))


@functools.cache
def _load() -> None:
    functions.load(["orchestra.tools.builtin", *settings.ORCHESTRA_FUNCTIONS])


def installed() -> Mapping[str, functions.Function]:
    """Return the functions of the installation by name, loaded if they are not yet."""
    _load()
    return functions.registry()


def names_of(team_id: UUID) -> list[str]:
    """Return the names of what a team may call: functions of the installation, then its own usable tools."""
    own = ToolRow.objects.filter(team_id=team_id).usable().order_by("name").values_list("name", flat=True)
    return [*sorted(installed()), *own]


def tool_of(function: functions.Function) -> Tool:
    """Return a function of the installation as a tool."""
    return Tool(
        name=function.name,
        title=function.title,
        description=function.description or function.title,
        schema=function.schema,
        is_safe=function.is_pure,
    )


def find_tools(team_id: UUID | str, names: Iterable[str]) -> dict[str, Tool]:
    """Return the named tools by name, functions first. Raises UnknownTool, ToolNotAllowed."""
    wanted, known = list(names), installed()
    others = [name for name in wanted if name not in known]
    rows = {row.name: row for row in _rows(team_id, others)} if others else {}
    return {
        name: tool_of(known[name]) if name in known else checked(team_id, name, rows.get(name)).as_tool()
        for name in wanted
    }


def find_row(team_id: UUID | str, name: str) -> ToolRow:
    """Return a tool that may be called. Raises UnknownTool, ToolNotAllowed."""
    return checked(team_id, name, next(iter(_rows(team_id, [name])), None))


def checked(team_id: UUID | str, name: str, row: ToolRow | None) -> ToolRow:
    """Return the row if it may be called. Raises UnknownTool, ToolNotAllowed."""
    if row is None:
        raise UnknownTool(f"There is no tool {name[:200]!r}. {_there_are(team_id)}")
    if row.server is not None and not row.server.is_enabled:
        raise ToolNotAllowed(f"The server of {name} is switched off.")
    if not row.is_enabled or row.policy == "deny":
        raise ToolNotAllowed(f"{name} is switched off or denied.")
    if row.is_changed:
        raise ToolNotAllowed(f"{name} is not what was accepted any more; somebody has to look at the change.")
    return row


def _rows(team_id: UUID | str, names: list[str]) -> list[ToolRow]:
    return list(ToolRow.objects.filter(team_id=team_id, name__in=names).select_related("server"))


def _there_are(team_id: UUID | str) -> str:
    own = ToolRow.objects.filter(team_id=team_id).usable().values_list("name", flat=True)
    names = sorted([*installed(), *own[: SHOWN_NAMES + 1]])
    more = ", …" if len(names) > SHOWN_NAMES else ""
    return f"There are: {', '.join(names[:SHOWN_NAMES])}{more}."
