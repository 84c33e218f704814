"""What agents can be given to call: the app of tools, which stands above this one, says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

_SOURCES: list[Callable[[UUID], Sequence[str]]] = []


def offer(source: Callable[[UUID], Sequence[str]]) -> None:
    """Take in what tells the names of the tools of a team."""
    if source not in _SOURCES:
        _SOURCES.append(source)


def offered_tools(team_id: UUID) -> list[str]:
    """Return the names of the tools that agents of a team can be given."""
    return [name for source in _SOURCES for name in source(team_id)]
