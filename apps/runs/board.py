"""What the page of a run shows at one moment (`seq`): each node of the graph with its state, maps summed up.

Body nodes of maps are summed over all items under one path, `views[].draft`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Min, QuerySet, Sum
from django.db.models.functions import Mod
from django.utils import timezone

from apps.runs.models import NodeRun, Run
from apps.workflows.graph import Drawing, DrawnNode, draw
from orchestra.engine.plan import ITEM
from orchestra.engine.status import FINAL_NODE, NodeStatus

MAX_BARS = 600
MAX_ACTIVE = 2000
LANES = 8
CALM_READS = 4
_INDEX = re.compile(r"\[\d+\]")
_ACTIVE = (NodeStatus.QUEUED, NodeStatus.RUNNING, NodeStatus.WAITING)
_TAKEN = (
    "status", "started_at", "finished_at", "attempt", "input_tokens", "output_tokens", "cost", "model",
    "error", "waiting_for",
)  # fmt: skip


def template_path(path: str) -> str:
    """Return the path that all items share: `views[].draft` for `views[2].draft`."""
    return _INDEX.sub("[]", path)


def combined(counts: Mapping[str, int]) -> str:
    """Return the one status that says most about many node runs."""
    total = sum(counts.values())
    final = sum(counts.get(status, 0) for status in FINAL_NODE)
    if final == total:
        order = (NodeStatus.FAILED, NodeStatus.CANCELLED, NodeStatus.SUCCEEDED, NodeStatus.SKIPPED)
    elif final or counts.get(NodeStatus.RUNNING):
        return NodeStatus.RUNNING.value
    else:
        order = (NodeStatus.WAITING, NodeStatus.QUEUED, NodeStatus.PENDING, NodeStatus.PENDING)
    return next((status.value for status in order if counts.get(status)), NodeStatus.PENDING.value)


@dataclass
class NodeState:
    """One row of the page: a node run, or all runs of a body node together."""

    node: DrawnNode
    status: str = NodeStatus.PENDING.value
    counts: Counter[str] = field(default_factory=Counter)
    """Body nodes: how many of its runs, over all items, have which status."""
    items: Counter[str] = field(default_factory=Counter)
    """Maps: how many items have which status."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    model: str = ""
    waiting_for: str = ""
    error: Mapping[str, Any] | None = None
    bars: list[Bar] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The status in words and pictures: a map that waits for its items is at work."""
        is_busy = self.node.is_group and self.status == NodeStatus.WAITING
        return NodeStatus.RUNNING.value if is_busy else self.status

    @property
    def depth(self) -> int:
        return self.node.path.count("[]")

    @property
    def many(self) -> Counter[str]:
        """What the row counts: a map its items, a body node its runs, any other node nothing."""
        return self.items if self.node.is_group else self.counts

    @property
    def total(self) -> int:
        return sum(self.many.values())

    @property
    def done(self) -> int:
        """How many have ended by themselves: what was cancelled is not done."""
        return sum(self.many[status] for status in FINAL_NODE if status != NodeStatus.CANCELLED)

    @property
    def failed(self) -> int:
        return self.many[NodeStatus.FAILED]

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def seconds(self) -> float | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def as_json(self, start: datetime) -> dict[str, Any]:
        return {
            "status": self.status,
            "counts": dict(self.counts),
            "items": dict(self.items),
            "started": offset(start, self.started_at),
            "finished": offset(start, self.finished_at),
            "attempt": self.attempt,
            "tokens": self.tokens,
            "cost": float(self.cost),
            "bars": [[bar.path, bar.start, bar.end, bar.status] for bar in self.bars],
        }


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of the timeline, in milliseconds since the run's start; `end` is None while it lasts."""

    path: str
    start: int
    end: int | None
    status: str


@dataclass(frozen=True)
class Board:
    run: Run
    drawing: Drawing
    states: Mapping[str, NodeState]
    active: Mapping[str, str]
    """Body node runs that are under way, by path: what a script needs to keep the sums right."""

    @property
    def start(self) -> datetime:
        return self.run.started_at or self.run.created_at

    def as_json(self) -> dict[str, Any]:
        """Return the state as the page's script reads it; the events after `seq` go on from here."""
        run = self.run
        return {
            "seq": run.seq,
            "status": run.status,
            "now": int(timezone.now().timestamp() * 1000),
            "start": int(self.start.timestamp() * 1000),
            "end": offset(self.start, run.finished_at),
            "is_started": run.started_at is not None,
            "done": run.nodes_done,
            "total": run.nodes_total,
            "input_tokens": run.input_tokens,
            "output_tokens": run.output_tokens,
            "cost": float(run.cost),
            "nodes": {path: state.as_json(self.start) for path, state in self.states.items()},
            "active": dict(self.active),
        }


def offset(start: datetime, moment: datetime | None) -> int | None:
    """Return a moment as milliseconds since the start, never negative."""
    return None if moment is None else max(0, int((moment - start).total_seconds() * 1000))


def read_board(runs: QuerySet[Run], run_id: Any) -> Board:
    """Read a run and its nodes so that they fit together. Raises DoesNotExist."""
    for _ in range(CALM_READS):
        run = runs.get(pk=run_id)
        board = _read(run)
        if runs.filter(pk=run.pk, seq=run.seq).exists():
            break
    return board


def in_order(drawing: Drawing) -> list[DrawnNode]:
    """Return the boxes as one reads them: from top to bottom, the nodes of a body right below their map."""
    places = {node.path: (node.y, node.x) for node in drawing.nodes}

    def key(node: DrawnNode) -> list[tuple[float, float]]:
        parts = node.path.split("[].")
        return [places["[].".join(parts[: i + 1])] for i in range(len(parts))]

    return sorted(drawing.nodes, key=key)


def _read(run: Run) -> Board:
    drawing = draw(run.version.definition)
    states = {node.path: NodeState(node) for node in in_order(drawing) if node.kind != "note"}
    start = run.started_at or run.created_at
    top = run.node_runs.filter(scope="").defer("input", "output", "ports", "attempts")
    for row in top:
        if row.path in states:
            _take(states[row.path], row, start)
    bodies = run.node_runs.exclude(owner="")
    _sum_up(states, bodies)
    _add_bars(states, bodies, start)
    for state in states.values():
        _close(state, states, start)
    active = dict(bodies.filter(status__in=_ACTIVE).values_list("path", "status")[:MAX_ACTIVE])
    return Board(run, drawing, states, active)


def _take(state: NodeState, row: NodeRun, start: datetime) -> None:
    for name in _TAKEN:
        setattr(state, name, getattr(row, name))
    began, ended = offset(start, row.started_at), offset(start, row.finished_at)
    if began is not None and not state.node.is_group:
        state.bars = [Bar(row.path, began, ended, row.status)]


def _sum_up(states: Mapping[str, NodeState], bodies: QuerySet[NodeRun]) -> None:
    sums = bodies.values("owner", "node", "status").annotate(
        runs=Count("id"),
        first=Min("started_at"),
        last=Max("finished_at"),
        tokens_in=Sum("input_tokens"),
        tokens_out=Sum("output_tokens"),
        money=Sum("cost"),
        attempts_most=Max("attempt"),
        model_name=Max("model"),
    )
    for row in sums.order_by():
        owner = template_path(row["owner"])
        path = owner if row["node"] == ITEM else f"{owner}[].{row['node']}"
        state = states.get(path)
        if state is not None:
            (state.items if row["node"] == ITEM else state.counts)[row["status"]] += row["runs"]
            _add(state, row)


def _add(state: NodeState, row: Mapping[str, Any]) -> None:
    if row["first"]:
        state.started_at = min(filter(None, (state.started_at, row["first"])))
    if row["node"] == ITEM:
        return
    if row["last"]:
        state.finished_at = max(filter(None, (state.finished_at, row["last"])))
    state.input_tokens += row["tokens_in"] or 0
    state.output_tokens += row["tokens_out"] or 0
    state.cost += Decimal(row["money"] or 0)
    state.attempt = max(state.attempt, row["attempts_most"] or 0)
    state.model = state.model or row["model_name"] or ""


def _add_bars(states: Mapping[str, NodeState], bodies: QuerySet[NodeRun], start: datetime) -> None:
    """Give body nodes their bars; of very many items every second, third, … one stands for its neighbours."""
    rows = bodies.filter(started_at__isnull=False).exclude(node=ITEM).order_by("started_at", "id")
    started = sum(state.total for state in states.values() if "[]" in state.node.path)
    if started > MAX_BARS:
        rows = rows.annotate(rest=Mod("item_index", -(-started // MAX_BARS))).filter(rest=0)
    for path, began, ended, status in rows.values_list("path", "started_at", "finished_at", "status")[
        :MAX_BARS
    ]:
        state = states.get(template_path(path))
        if state is not None and not state.node.is_group:
            state.bars.append(Bar(path, offset(start, began) or 0, offset(start, ended), status))


def _close(state: NodeState, states: Mapping[str, NodeState], start: datetime) -> None:
    """Finish a row once everything is read: sums become a status, a map lasts as long as its items."""
    if "[]" in state.node.path:
        state.status = combined(state.counts)
        if state.status not in FINAL_NODE:
            state.finished_at = None
    if state.node.is_group:
        prefix = state.node.path + "[]"
        inside = [other.started_at for path, other in states.items() if path.startswith(prefix)]
        state.started_at = min(filter(None, [*inside, state.started_at]), default=None)
        began = offset(start, state.started_at)
        if began is not None:
            state.bars = [Bar(state.node.path, began, offset(start, state.finished_at), state.status)]


def lanes(bars: Iterable[Bar]) -> list[int]:
    """Give each bar (by start) the first lane that is free; what finds none shares the last."""
    ends: list[float] = []
    found = []
    for bar in bars:
        end = float("inf") if bar.end is None else bar.end
        lane = next((i for i, busy in enumerate(ends) if busy <= bar.start), None)
        if lane is None:
            lane = min(len(ends), LANES - 1)
            ends.extend([0.0] * (lane + 1 - len(ends)))
        ends[lane] = max(ends[lane], end)
        found.append(lane)
    return found
