"""What a simulated run consists of: node runs, and the scopes that they stand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orchestra.engine.carrier import Carrier
from orchestra.engine.outcome import ItemResult
from orchestra.engine.plan import UNDO, Plan, PlanNode, undo_scope
from orchestra.engine.progress import Count
from orchestra.engine.status import NodeStatus


class NodeEnd(NamedTuple):
    """How a node run ended; times in virtual seconds, None for what never started."""

    status: NodeStatus
    output: Any
    started: float | None
    finished: float | None
    error: Mapping[str, Any] | None = None
    attempts: int = 0


@dataclass(slots=True, eq=False)
class Row:
    path: str
    node: PlanNode
    scope: Scope
    status: NodeStatus = NodeStatus.PENDING
    output: Any = None
    error: Mapping[str, Any] | None = None
    is_handled: bool = False
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    items: Sequence[Any] | None = None
    child: ItemResult | None = None
    opened: int = 0
    unsettled: int = 0
    then: Callable[[], None] | None = None

    def end(self) -> NodeEnd:
        return NodeEnd(self.status, self.output, self.started, self.finished, self.error, self.attempts)


@dataclass(slots=True, eq=False)
class Scope:
    name: str
    plan: Plan
    item: Any = None
    index: int | None = None
    owner: Row | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=dict)
    carrier: Carrier | None = None


def failures_in(scope: Scope) -> list[Mapping[str, Any]]:
    return [{**(row.error or {}), "node": row.path} for row in scope.rows.values() if is_unhandled(row)]


def is_unhandled(row: Row) -> bool:
    return row.status == NodeStatus.FAILED and not row.is_handled


def last_to_undo(rows: Mapping[str, Row]) -> Row | None:
    """Return the node run with a compensation that succeeded last and has not been undone yet."""
    made = list(rows.values())
    ended = sorted(((row.finished or 0.0, number) for number, row in enumerate(made)), reverse=True)
    for _, number in ended:
        row = made[number]
        has_undo = f"{row.node.id}{UNDO}" in row.scope.plan.bodies
        if row.status == NodeStatus.SUCCEEDED and has_undo and undo_scope(row.path) not in rows:
            return row
    return None
