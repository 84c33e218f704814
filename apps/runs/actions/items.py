"""Maps at run time: opening a scope for each item, releasing them in order, noticing that the last has settled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from apps.runs import rows
from apps.runs.actions.operations import Facts
from apps.runs.rows import NodeRow, RunRow
from orchestra.engine.outcome import Expand, Iterate
from orchestra.engine.plan import Plan, path_of
from orchestra.engine.progress import initial_counts
from orchestra.engine.status import EventType, NodeStatus

ITEMS = "items"
"""`waiting_for` of a map whose items are under way."""


def scope_rows(
    plan: Plan, run: str, scope: str, *, owner: str = "", index: int | None = None
) -> list[NodeRow]:
    """Return pending node runs for one scope, in the plan's order (a body's implicit item node is the last)."""
    counts = initial_counts(plan)
    return [
        NodeRow(
            id=0,
            run_id=run,
            path=path_of(scope, node.id),
            scope=scope,
            owner=owner,
            item_index=index,
            node=node.id,
            kind=node.kind,
            queue=plan.segments[node.segment].queue,
            status=NodeStatus.PENDING,
            unsettled=counts[node.id].unsettled if node.id in counts else len(node.needs),
        )
        for node in plan.nodes.values()
    ]


class ItemScopes(ABC):
    """The part of a run's state that knows maps."""

    row: RunRow
    facts: Facts
    nodes: dict[str, NodeRow]
    opened: list[NodeRow]

    @abstractmethod
    def load(self, paths: Iterable[str]) -> list[NodeRow]: ...
    @abstractmethod
    def touch(self, row: NodeRow) -> NodeRow: ...
    @abstractmethod
    def make_ready(self, found: Iterable[NodeRow]) -> None: ...
    @abstractmethod
    def event(self, type_: EventType, node: str = "", **data: Any) -> None: ...

    def open_items(self, owner: NodeRow, outcome: Expand) -> None:
        """Insert the node runs of every item and release the first; an empty map is ready to be collected at once."""
        total = len(outcome.items)
        owner.status = NodeStatus.WAITING
        owner.waiting_for = ITEMS
        owner.items_total = owner.unsettled = total
        owner.worker = ""
        self.event(EventType.NODE_WAITING, owner.path, waiting_for=ITEMS, items=total)
        if not total:
            self.make_ready([owner])
            return
        for index, item in enumerate(outcome.items):
            self._open_scope(owner, index, item)
        self._release(owner, min(total, outcome.concurrency or total))

    def open_iteration(self, owner: NodeRow, outcome: Iterate) -> None:
        """Insert the node runs of a loop's next iteration and make its first ones ready."""
        owner.status = NodeStatus.WAITING
        owner.waiting_for = ITEMS
        owner.items_total, owner.unsettled, owner.cursor = outcome.index + 1, 1, outcome.index
        owner.worker = ""
        self.event(EventType.NODE_WAITING, owner.path, waiting_for=ITEMS, items=1)
        self._open_scope(owner, outcome.index, outcome.value)
        self._release(owner, 1)

    def _open_scope(self, owner: NodeRow, index: int, item: Any) -> None:
        body = self._body(owner)
        opened = scope_rows(body, self.row.id, f"{owner.path}[{index}]", owner=owner.path, index=index)
        opened[-1].item = item
        self.opened.extend(opened)
        self.nodes.update((row.path, row) for row in opened)
        self.row.nodes_total += len(body.nodes) - 1

    def item_ended(self, item: NodeRow) -> None:
        """Count an item off its map; release the next, or open no more after a failure that the map does not bear."""
        owner = self.load([item.owner])[0]
        owner.unsettled -= 1
        self.touch(owner)
        settings = self.facts.plan.at(owner.scope).nodes[owner.node].settings
        if item.status == NodeStatus.FAILED and settings.get("on_item_error", "fail") == "fail":
            self._withdraw_rest(owner)
        elif owner.cursor < (owner.items_total or 0):
            self._release(owner, 1)
        if owner.unsettled == 0 and owner.status == NodeStatus.WAITING:
            self.make_ready([owner])

    def _body(self, owner: NodeRow) -> Plan:
        return self.facts.plan.at(owner.scope).bodies[owner.node]

    def _release(self, owner: NodeRow, count: int) -> None:
        """Make the first nodes of the next `count` items ready."""
        stop = min(owner.cursor + count, owner.items_total or 0)
        indexes = range(owner.cursor, stop)
        starts = self._body(owner).starts
        owner.cursor = stop
        self.touch(owner)
        self.make_ready(self.load(path_of(f"{owner.path}[{i}]", node) for i in indexes for node in starts))

    def _withdraw_rest(self, owner: NodeRow) -> None:
        rest = (owner.items_total or 0) - owner.cursor
        if rest > 0:
            self.row.nodes_done += rows.cancel_items(self.row.id, owner.path, owner.cursor)
            owner.cursor = owner.items_total or 0
            owner.unsettled -= rest
