"""Which agent did what of a node run, and why that one: read from its assignments and from what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.runs.models import Assignment, NodeRun
from orchestra.engine.nodes import agent
from orchestra.engine.nodes.handover import WAITING_FOR

SHOWN = 20


def assignments_of(node: NodeRun) -> list[Assignment]:
    """Return what remote agents were asked for by a node, the newest first."""
    if node.kind != agent.KIND.name:
        return []
    found = Assignment.objects.filter(run_id=node.run_id, path=node.path).select_related("agent")
    return list(found.defer("payload", "output").order_by("-id")[:SHOWN])


def agent_of(node: NodeRun) -> str | None:
    """Return the short name of the agent that does a node or did it; None when there is none."""
    _waiting, _colon, working = node.waiting_for.partition(f"{WAITING_FOR}:")
    if working:
        return working
    for said in (node.output, node.error, node.input):
        name = said.get("agent") if isinstance(said, Mapping) else None
        if isinstance(name, str) and name:
            return name
    return None


def choice_of(node: NodeRun) -> Any:
    """Return who was chosen for a node and why; None where nobody had to be chosen."""
    for said in (node.output, node.error):
        if isinstance(said, Mapping) and isinstance(said.get("choice"), Mapping):
            return said["choice"]
    found = assignments_of(node) if node.waiting_for.startswith(WAITING_FOR) else []
    return found[0].choice if found else None
