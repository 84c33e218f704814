"""What a run waits for, where the world has to act first: for the top of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.runs.actions.items import ITEMS
from apps.runs.models import Run
from apps.runs.why import why
from orchestra.engine.status import NodeStatus, RunStatus

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A node run that waits: its title, and a sentence that says for what."""

    path: str
    title: str
    text: str
    is_decision: bool
    """Somebody may decide it in the inbox."""


def waiting_in(run: Run, titles: Mapping[str, str]) -> list[Waiting]:
    """Return what a waiting run waits for, oldest first; `titles` of nodes by path."""
    if run.status != RunStatus.WAITING:
        return []
    found = run.node_runs.filter(status=NodeStatus.WAITING).exclude(waiting_for=ITEMS).order_by("id")
    reasons = [(node, why(node, run)) for node in found[:SHOWN]]
    return [
        Waiting(node.path, titles.get(node.path, node.path), reason.text, reason.code == "approval")
        for node, reason in reasons
        if reason is not None
    ]
