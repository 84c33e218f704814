"""Node runs that start anew: they and all that comes after them, in their own graph and in those around it.

What stays is settled again by the pure engine (`orchestra.engine.replay`), so that every join counts what it would
have counted, had the failure not been. A map that has opened its items is opened again for those alone that have to
be done again. All of it happens under the run's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from apps.runs.actions.items import ITEMS
from apps.runs.models import NodeRun, Run
from orchestra.engine.nodes import loop
from orchestra.engine.plan import ITEM, Plan, owner_of
from orchestra.engine.replay import Replay, replay, with_all_after
from orchestra.engine.status import FINAL_NODE, NodeStatus

CHUNK = 500
READ = (
    "id", "run_id", "path", "scope", "owner", "item_index", "node", "kind", "status", "attempt", "worker",
    "is_handled", "items_total", "ports", "attempts", "started_at", "finished_at",
)  # fmt: skip
FRESH: Mapping[str, Any] = {
    "losses": 0, "worker": "", "is_handled": False, "items_total": None, "cursor": 0, "waiting_for": "",
    "due_at": None, "input": None, "output": None, "ports": [], "error": None, "queued_at": None,
    "started_at": None, "finished_at": None,
}  # fmt: skip
"""What a node run has before its first attempt; its attempts and what they cost stay on record."""

OPEN_AGAIN: Mapping[str, Any] = {
    "worker": "", "is_handled": False, "waiting_for": ITEMS, "due_at": None, "output": None, "ports": [],
    "error": None, "finished_at": None,
}  # fmt: skip

Scope = dict[str, NodeRun]
"""The node runs of one scope, by node id."""


def lost(row: NodeRun) -> bool:
    """Say whether a node run ended without a result that counts: it failed unhandled, or was cancelled."""
    return row.status == NodeStatus.CANCELLED or (row.status == NodeStatus.FAILED and not row.is_handled)


class Reset:
    """The node runs of one run that start anew; `write` puts it all into the database."""

    def __init__(self, run: Run, plan: Plan, now: datetime) -> None:
        self.run = run
        self.plan = plan
        self.now = now
        self.roots: list[str] = []
        """Paths of the node runs whose failure is the reason."""
        self.queued: list[NodeRun] = []
        """Node runs that are ready."""
        self.dropped: list[UUID] = []
        """Child runs that nobody waits for any more."""
        self._anew: dict[str, NodeRun] = {}
        self._reopened: dict[str, NodeRun] = {}
        self._scopes: dict[str, Scope] = {}

    def all_lost(self) -> None:
        """Start everything anew that failed unhandled or was cancelled."""
        self._in_scope("", self._lost_in(""))

    def one(self, row: NodeRun) -> None:
        """Start one node run anew; of a map that has opened its items, those that were lost."""
        scope = row.scope
        names = self._lost_in(scope) if row.node == ITEM else {row.node}
        self._in_scope(scope, names or {row.node})
        while scope:
            owner_path, index = owner_of(scope)
            outer = self._scope(self._row(owner_path).scope)
            owner = next(one for one in outer.values() if one.path == owner_path)
            self._reopen(owner, {index} | self._withdrawn(owner, index))
            scope = owner.scope
            self._after(scope, {owner.node}, opened={owner.node})

    # One graph -------------------------------------------------------------------------------
    def _lost_in(self, scope: str) -> set[str]:
        return {row.node for row in self._scope(scope).values() if row.node != ITEM and lost(row)}

    def _in_scope(self, scope: str, names: Collection[str]) -> None:
        """Start nodes of a scope anew, and all that comes after them; maps keep the items that they can keep."""
        found = self._scope(scope)
        plan = self.plan.at(scope)
        below = with_all_after(plan, {e.target for name in names for e in plan.successors[name]})
        opened = {
            name
            for name in names
            if found[name].items_total is not None and name in plan.bodies and name not in below
        }
        for name in names:
            if name not in opened:
                self.roots.append(found[name].path)
        self._after(scope, names, opened=opened)
        for name in opened:
            self._reopen(found[name], self._to_redo(found[name]))

    def _after(self, scope: str, names: Collection[str], *, opened: Collection[str]) -> None:
        found, plan = self._scope(scope), self.plan.at(scope)
        anew = with_all_after(plan, names) - set(opened)
        kept = {
            name: row.ports
            for name, row in found.items()
            if row.status in FINAL_NODE and name not in anew and name not in opened
        }
        state = replay(plan, kept)
        for name in anew:
            self._start_anew(found[name], plan, state)

    def _start_anew(self, row: NodeRun, plan: Plan, state: Replay) -> None:
        _keep_attempt(row, self.now)
        node = plan.nodes[row.node]
        count = state.counts.get(row.node)
        row.unsettled = count.unsettled if count else len(node.needs)
        row.live, row.is_decided = (count.live, count.is_decided) if count else (0, False)
        row.status = NodeStatus.PENDING
        if row.node in state.skipped:
            row.status = NodeStatus.SKIPPED
        elif row.node in state.ready:
            self._queue(row)
        self._anew[row.path] = row

    def _queue(self, row: NodeRun) -> None:
        row.status = NodeStatus.QUEUED
        self.queued.append(row)

    # Maps ------------------------------------------------------------------------------------
    def _to_redo(self, owner: NodeRun) -> set[int]:
        """Return the indexes of the items that were lost; those that the map bears stay as they are."""
        kept = [NodeStatus.SUCCEEDED]
        if self._settings(owner).get("on_item_error", "fail") != "fail":
            kept.append(NodeStatus.FAILED)
        items = self.run.node_runs.filter(owner=owner.path, node=ITEM).exclude(status__in=kept)
        return _indexes(items)

    def _withdrawn(self, owner: NodeRun, index: int) -> set[int]:
        """Return the items that were not started because of a failure, when `index` was the only one that failed."""
        items = self.run.node_runs.filter(owner=owner.path, node=ITEM).exclude(item_index=index)
        if items.filter(status=NodeStatus.FAILED).exists():
            return set()
        return _indexes(items.filter(status=NodeStatus.CANCELLED))

    def _settings(self, owner: NodeRun) -> Mapping[str, Any]:
        return self.plan.at(owner.scope).nodes[owner.node].settings

    def _reopen(self, owner: NodeRun, redo: set[int]) -> None:
        """Have a map wait for some of its items again; those that were never begun are released in their order.

        Of a loop, the iterations after the one that is done again go: they went on from its value.
        """
        if owner.kind == loop.KIND.name and redo:
            self._cut(owner, min(redo) + 1)
            redo = {min(redo)}
        total = owner.items_total or 0
        items = self.run.node_runs.filter(owner=owner.path, node=ITEM)
        ended = items.filter(item_index__in=redo, status__in=FINAL_NODE).count()
        working = items.exclude(status__in=FINAL_NODE).count()
        first_new = self._first_untouched(owner, redo, total)
        begun = sorted(index for index in redo if index < first_new)
        for index in begun:
            scope = f"{owner.path}[{index}]"
            if scope not in self._anew:
                self._in_scope(scope, self._lost_in(scope) or {ITEM})
        cursor = self._release(owner, first_new, total, len(begun) + working) if first_new < total else total
        if owner.status not in FINAL_NODE:
            NodeRun.objects.filter(pk=owner.pk).update(
                unsettled=F("unsettled") + ended, cursor=cursor, items_total=total
            )
            return
        owner.unsettled, owner.cursor, owner.status = len(redo), cursor, NodeStatus.WAITING
        if not redo:
            self.roots.append(owner.path)
            self._queue(owner)
        self._reopened[owner.path] = owner

    def _cut(self, owner: NodeRun, total: int) -> None:
        for index in range(total, owner.items_total or 0):
            scope = f"{owner.path}[{index}]"
            inside = Q(path=scope) | Q(path__startswith=f"{scope}.")
            self.run.node_runs.filter(inside).delete()
        owner.items_total = total

    def _first_untouched(self, owner: NodeRun, redo: set[int], total: int) -> int:
        """Return the index from which on no item was begun."""
        inside = self.run.node_runs.filter(owner=owner.path).exclude(node=ITEM)
        begun = inside.filter(Q(attempt__gt=0) | ~Q(status__in=["cancelled", "pending", "queued"]))
        last = begun.order_by("-item_index").values_list("item_index", flat=True).first()
        kept = [index for index in range(total) if index not in redo]
        return max(last if last is not None else -1, kept[-1] if kept else -1) + 1

    def _release(self, owner: NodeRun, first: int, total: int, busy: int) -> int:
        """Put the items from `first` on back to their beginning and make as many ready as the map allows beside the
        `busy` ones; return the index of the next."""
        rest = self.run.node_runs.filter(owner=owner.path, item_index__gte=first)
        rest.update(status=NodeStatus.PENDING, fence=F("fence") + 1, **FRESH)
        limit = self._settings(owner).get("concurrency")
        cursor = min(total, first + max(0, limit - busy)) if isinstance(limit, int) else total
        starts = self.plan.at(owner.scope).bodies[owner.node].starts
        for row in rest.filter(item_index__lt=cursor, node__in=starts).order_by("id").only(*READ):
            row.unsettled, row.live, row.is_decided = 0, 0, False
            self._queue(row)
            self._anew[row.path] = row
        return cursor

    # Rows ------------------------------------------------------------------------------------
    def _row(self, path: str) -> NodeRun:
        found: NodeRun = self.run.node_runs.only(*READ).get(path=path)
        return found

    def _scope(self, scope: str) -> Scope:
        if scope not in self._scopes:
            found = self.run.node_runs.filter(scope=scope).only(*READ)
            self._scopes[scope] = {row.node: row for row in found}
        return self._scopes[scope]

    def write(self) -> None:
        """Write the node runs; what maps that start anew had opened is removed, and nobody waits for old child runs."""
        self._drop_children()
        for row in self._anew.values():
            if row.items_total is not None:
                self.run.node_runs.filter(path__startswith=f"{row.path}[").delete()
        for fields, rows in ((FRESH, self._anew.values()), (OPEN_AGAIN, self._reopened.values())):
            self._write(fields, [row.pk for row in rows])
        for row in (*self._anew.values(), *self._reopened.values()):
            row.queued_at = self.now if row.status == NodeStatus.QUEUED else None
            row.finished_at = self.now if row.status == NodeStatus.SKIPPED else None
        own = ["status", "unsettled", "live", "is_decided", "attempts", "queued_at", "finished_at"]
        NodeRun.objects.bulk_update(self._anew.values(), own, batch_size=CHUNK)
        NodeRun.objects.bulk_update(
            self._reopened.values(), ["status", "unsettled", "cursor", "items_total", "queued_at"]
        )

    def _drop_children(self) -> None:
        opened = tuple(f"{row.path}[" for row in self._anew.values() if row.items_total is not None)
        awaited = Run.objects.filter(parent=self.run, is_awaited=True).values_list("pk", "parent_path")
        self.dropped = [pk for pk, path in awaited if path in self._anew or path.startswith(opened)]
        Run.objects.filter(pk__in=self.dropped).update(is_awaited=False)

    def _write(self, fields: Mapping[str, Any], keys: Sequence[int]) -> None:
        for start in range(0, len(keys), CHUNK):
            rows = NodeRun.objects.filter(pk__in=keys[start : start + CHUNK])
            rows.update(fence=F("fence") + 1, **fields)


def _indexes(items: QuerySet[NodeRun]) -> set[int]:
    return {index for index in items.values_list("item_index", flat=True) if index is not None}


def _keep_attempt(row: NodeRun, now: datetime) -> None:
    """Put an attempt that was cut short into the history, where those that ended stand already, and mark the last:
    the retry policy counts from there."""
    noted = {entry.get("attempt") for entry in row.attempts}
    if row.started_at is not None and row.attempt and row.attempt not in noted and row.items_total is None:
        row.attempts = [*row.attempts, _entry(row, now)]
    if row.attempts:
        *earlier, last = row.attempts
        row.attempts = [*earlier, {**last, "retried": True}]


def _entry(row: NodeRun, now: datetime) -> dict[str, Any]:
    return {
        "attempt": row.attempt,
        "worker": row.worker,
        "started_at": _text(row.started_at),
        "finished_at": _text(row.finished_at or now),
        "status": NodeStatus.CANCELLED.value,
        "error": None,
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
