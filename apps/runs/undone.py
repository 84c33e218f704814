"""What of a run was undone, or is: for its page and the panels of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.runs.models import Run
from orchestra.engine.plan import ITEM, UNDO, undo_scope

SHOWN = 200


@dataclass(frozen=True, slots=True)
class Undone:
    """The compensation of one node run."""

    path: str
    title: str
    status: str
    error: Mapping[str, Any] | None


def undone_in(run: Run, titles: Mapping[str, str]) -> list[Undone]:
    """Return the compensations of a run in the order in which they ran; `titles` of nodes by path."""
    if not run.ends_as:
        return []
    found = run.node_runs.filter(node=ITEM, path__endswith=f"{UNDO}[0]").order_by("id")
    return [
        Undone(row.path, titles.get(owner := row.owner.removesuffix(UNDO), owner), row.status, row.error)
        for row in found.only("path", "owner", "status", "error")[:SHOWN]
    ]


def undoing_of(run: Run, path: str) -> list[Undone]:
    """Return the node runs of one node run's compensation."""
    if not run.ends_as:
        return []
    found = run.node_runs.filter(scope=undo_scope(path)).exclude(node=ITEM).order_by("id")
    return [Undone(row.path, row.node, row.status, row.error) for row in found]
