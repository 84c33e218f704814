"""The hot path's rows: what a worker reads and writes under a run's lock, in few statements for many nodes.

Run ids are strings here and everywhere in the workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from apps.runs import sql
from apps.runs.models import Event, NodeRun, Run
from apps.runs.sql import from_json, from_time, str_id
from apps.usage.models import ModelCall
from orchestra.engine.context import LIMIT
from orchestra.engine.nodes.handover import WAITING_FOR as AGENT

RUN_COLUMNS = (
    "id", "status", "epoch", "seq", "unsettled", "nodes_total", "nodes_done", "input_tokens", "output_tokens",
    "cost", "priority", "started_at", "finished_at", "dispatched_at", "is_held",
)  # fmt: skip
RUN_SAVED = (
    "status", "epoch", "seq", "unsettled", "nodes_total", "nodes_done", "input_tokens", "output_tokens", "cost",
    "started_at", "finished_at", "dispatched_at",
)  # fmt: skip
NODE_COLUMNS = (
    "id", "run_id", "path", "scope", "owner", "item_index", "node", "kind", "queue", "status", "attempt",
    "losses", "fence", "worker",
    "unsettled", "live", "is_decided", "items_total", "cursor", "is_handled", "waiting_for", "due_at",
    "queued_at", "started_at", "finished_at", "attempts", "model", "input_tokens", "output_tokens", "cost",
)  # fmt: skip
NODE_SAVED = (
    "status", "attempt", "losses", "fence", "worker", "unsettled", "live", "is_decided", "items_total", "cursor",
    "is_handled", "waiting_for", "due_at", "queued_at", "started_at", "finished_at",
)  # fmt: skip
RESULT_SAVED = (
    "input", "output", "ports", "error", "attempts", "model", "input_tokens", "output_tokens", "cost",
)  # fmt: skip


@dataclass(slots=True)
class RunRow:
    id: str
    status: str
    epoch: int
    seq: int
    unsettled: int
    nodes_total: int
    nodes_done: int
    input_tokens: int
    output_tokens: int
    cost: float
    priority: int
    started_at: datetime | None
    finished_at: datetime | None
    dispatched_at: datetime | None
    is_held: bool = False
    output: Any = None
    error: Any = None


@dataclass(slots=True)
class NodeRow:
    id: int
    run_id: str
    path: str
    scope: str
    owner: str
    item_index: int | None
    node: str
    kind: str
    queue: str
    status: str
    attempt: int = 0
    losses: int = 0
    fence: int = 0
    worker: str = ""
    unsettled: int = 0
    live: int = 0
    is_decided: bool = False
    items_total: int | None = None
    cursor: int = 0
    is_handled: bool = False
    waiting_for: str = ""
    due_at: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    item: Any = None
    input: Any = None
    output: Any = None
    ports: list[str] = field(default_factory=list)
    error: Any = None
    is_reused: bool = False
    has_result: bool = False
    """The columns of `RESULT_SAVED` changed and are to be written."""


NODE_INSERTED = tuple(f.name for f in fields(NodeRow) if f.name not in {"id", "has_result"})


class EventRow(NamedTuple):
    run_id: str
    seq: int
    type: str
    node: str
    at: datetime
    data: dict[str, Any]


EVENT_COLUMNS = EventRow._fields


class CallRow(NamedTuple):
    """One call of a model, as `apps.usage` keeps it."""

    team_id: str
    at: datetime
    run: str
    number: int
    node: str
    fence: int
    workflow: str
    agent: str
    connection: str
    model: str
    user_id: str | None
    input_tokens: int
    output_tokens: int
    cost: float
    input_price: float | None
    output_price: float | None
    seconds: float
    failed: int
    error: str
    is_estimated: bool
    calls: int = 1
    runs: int = 0


CALL_COLUMNS = CallRow._fields


def lock_runs(ids: Iterable[str]) -> dict[str, RunRow]:
    """Lock the runs in the order of their ids (so that two batches cannot deadlock) and return them by id."""
    keys = sorted(set(ids))
    return _runs(sql.fetch(*_lock(keys), RUN_READERS)) if keys else {}


def lock_and_read(
    ids: Iterable[str], pairs: Iterable[tuple[str, str]], *, also: sql.Query | None = None
) -> tuple[dict[str, RunRow], list[NodeRow], list[tuple[Any, ...]]]:
    """Lock runs as `lock_runs` does and return node runs of theirs by (run id, path), and the rows of `also`.

    One wait for all, where the database allows that.
    """
    keys, wanted = sorted(set(ids)), list(pairs)
    if not keys or not wanted:
        return lock_runs(keys), [], sql.fetch(*also) if also is not None else []
    queries = [(*_lock(keys), RUN_READERS), (*_at(_NODE_LIST, wanted), NODE_READERS)]
    runs, nodes, *others = sql.fetch_all(*queries, *([also] if also is not None else []))
    return _runs(runs), [NodeRow(*row) for row in nodes], others[0] if others else []


def _lock(keys: Sequence[str]) -> tuple[str, list[Any]]:
    where, values = sql.any_of("id", keys)
    return f"SELECT {', '.join(RUN_COLUMNS)} FROM runs_run WHERE {where} ORDER BY id{sql.lock()}", values  # noqa: S608  (constants only)


def _runs(found: Iterable[tuple[Any, ...]]) -> dict[str, RunRow]:
    return {row[0]: RunRow(*row) for row in found}


def _at(columns: str, pairs: Sequence[tuple[str, str]]) -> tuple[str, list[Any]]:
    source, values = sql.pairs(pairs)
    return (
        f"SELECT {columns} FROM runs_noderun WHERE (run_id, path) IN ({source})",  # noqa: S608  (constants only)
        values,
    )


def nodes_at(pairs: Iterable[tuple[str, str]]) -> list[NodeRow]:
    """Return node runs by (run id, path)."""
    wanted = list(pairs)
    return _nodes(*_at(_NODE_LIST, wanted)) if wanted else []


def queued_nodes(run: str, queue: str | None, limit: int) -> list[NodeRow]:
    """Return up to `limit` queued node runs of a run, oldest first; of one queue, or of all."""
    where = "run_id = %s AND status = 'queued'" + (" AND queue = %s" if queue else "")
    text = f"SELECT {_NODE_LIST} FROM runs_noderun WHERE {where} ORDER BY id LIMIT {int(limit)}"  # noqa: S608  (constants only)
    return _nodes(text, [sql.key(run), queue] if queue else [sql.key(run)])


def has_active(run: str, back_off: str) -> bool:
    """Say whether a run has a node run that is queued, running, with an agent, or waits for its back-off or a limit."""
    text = (
        "SELECT 1 FROM runs_noderun WHERE run_id = %s"
        " AND (status IN ('queued', 'running')"
        " OR (status = 'waiting' AND (waiting_for = %s OR waiting_for LIKE %s OR waiting_for LIKE %s))) LIMIT 1"
    )
    return bool(sql.fetch(text, [sql.key(run), back_off, f"{LIMIT}%", f"{AGENT}%"], {}))


def results_at(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, Any, Any, Any]]:
    """Return (status, output, error, item) by (run id, path)."""
    wanted = list(pairs)
    if not wanted:
        return {}
    text, values = _at("run_id, path, status, output, error, item", wanted)
    found = sql.fetch(text, values, {0: str_id, 3: from_json, 4: from_json, 5: from_json})
    return {(run, path): (status, output, error, item) for run, path, status, output, error, item in found}


def scope_failures(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the unhandled errors of node runs by (run id, scope), each with its path as `node`."""
    wanted = list(pairs)
    if not wanted:
        return {}
    source, values = sql.pairs(wanted)
    text = (
        "SELECT run_id, scope, path, error FROM runs_noderun"  # noqa: S608  (constants only)
        f" WHERE (run_id, scope) IN ({source}) AND status = 'failed' AND NOT is_handled ORDER BY id"
    )
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run, scope, path, error in sql.fetch(text, values, {0: str_id, 3: from_json}):
        found.setdefault((run, scope), []).append({**(error or {}), "node": path})
    return found


def item_results(run: str, owner: str, first: int = 0) -> list[tuple[int, str, Any, Any]]:
    """Return (index, status, output, error) of the items of a map from the first index on, by index."""
    text = (
        "SELECT item_index, status, output, error FROM runs_noderun"
        " WHERE run_id = %s AND owner = %s AND owner <> '' AND kind = 'item' AND item_index >= %s ORDER BY item_index"
    )
    return sql.fetch(text, [sql.key(run), owner, first], {2: from_json, 3: from_json})


def input_of(run: str) -> Any:
    """Return the input of a run."""
    return sql.fetch("SELECT input FROM runs_run WHERE id = %s", [sql.key(run)], {0: from_json})[0][0]


def cancel_items(run: str, owner: str, start: int) -> int:
    """Cancel the items of a map from `start` on, none of which was released; return how many node runs that were."""
    open_items = NodeRun.objects.filter(
        run_id=UUID(run), owner=owner, item_index__gte=start, status="pending"
    )
    counted = open_items.exclude(kind="item").count()
    open_items.update(status="cancelled", is_handled=True)
    return counted


def save_runs(rows: Sequence[RunRow]) -> None:
    ended = [row for row in rows if row.output is not None or row.error is not None]
    sql.update(Run, RUN_SAVED, [row for row in rows if row.output is None and row.error is None])
    sql.update(Run, (*RUN_SAVED, "output", "error"), ended)


def save_nodes(rows: Sequence[NodeRow]) -> None:
    sql.update(NodeRun, NODE_SAVED, [row for row in rows if not row.has_result])
    with_result = [row for row in rows if row.has_result]
    sql.update(NodeRun, NODE_SAVED + RESULT_SAVED, with_result, keep={"input"})


def insert_nodes(rows: Sequence[NodeRow]) -> None:
    """Insert new node runs, in the given order."""
    sql.insert(NodeRun, NODE_INSERTED, rows)


def insert_events(rows: Sequence[EventRow]) -> None:
    """Append events."""
    sql.insert(Event, EVENT_COLUMNS, rows)


def insert_calls(rows: Sequence[CallRow]) -> None:
    """Write down what calls of models used; nothing for none."""
    sql.insert(ModelCall, CALL_COLUMNS, rows)


def _nodes(text: str, values: Sequence[Any]) -> list[NodeRow]:
    return [NodeRow(*row) for row in sql.fetch(text, values, NODE_READERS)]


_NODE_LIST = ", ".join(NODE_COLUMNS)
_TIMES = {"due_at", "queued_at", "started_at", "finished_at", "dispatched_at"}
RUN_READERS: sql.Readers = {
    0: str_id,
    RUN_COLUMNS.index("cost"): float,
    RUN_COLUMNS.index("is_held"): bool,
    **{i: from_time for i, name in enumerate(RUN_COLUMNS) if name in _TIMES},
}
NODE_READERS: sql.Readers = {
    1: str_id,
    NODE_COLUMNS.index("attempts"): from_json,
    NODE_COLUMNS.index("is_decided"): bool,
    NODE_COLUMNS.index("is_handled"): bool,
    NODE_COLUMNS.index("cost"): float,
    **{i: from_time for i, name in enumerate(NODE_COLUMNS) if name in _TIMES},
}
