"""How much work nodes are in this process: what is quicker than a message is not worth one."""

from __future__ import annotations

from collections import OrderedDict

from apps.runs.actions.operations import Claimed
from orchestra.engine.nodes import kind
from orchestra.engine.plan import INLINE, PlanNode
from orchestra.tools import functions

QUICK = 0.001
"""Seconds; a message costs more."""

FADE = 0.9
"""A slow call counts for about ten quick ones."""

KEPT = 20_000

Key = tuple[str, str, int]


class Pace:
    """Remembers per node of a version a fading maximum of its attempts' processor time, in seconds. One thread only.

    Nodes that wait are not asked for: they have effects (`may_go_ahead`).
    """

    def __init__(self) -> None:
        self._seconds: OrderedDict[Key, float] = OrderedDict()

    def note(self, version: str, node: PlanNode, seconds: float) -> None:
        key = (version, node.id, node.segment)
        faded = self._seconds.pop(key, 0.0) * FADE
        self._seconds[key] = max(seconds, faded)
        if len(self._seconds) > KEPT:
            self._seconds.popitem(last=False)

    def is_quick(self, version: str, node: PlanNode) -> bool:
        """Say whether a node took less than a message costs; one never seen is not known to."""
        return self._seconds.get((version, node.id, node.segment), QUICK) < QUICK


def may_go_ahead(claimed: Claimed, node: PlanNode, queue: str) -> bool:
    """Say whether a worker of `queue` may run a node before what it builds on is recorded: it has no effects."""
    if node.queue not in (INLINE, queue) or claimed.epoch or node.cache or node.effect:
        return False
    return kind(node.kind).is_pure or (
        node.kind == "function" and functions.is_pure(str(node.settings["name"]))
    )
