"""The hot path's rows: what a worker reads and writes under a run's lock, in few statements for many nodes.

Plain SQL that PostgreSQL and SQLite both speak; the two differences (row locks, adapted values) come from Django's
own backend operations. Run ids are strings here and everywhere in the workers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from psycopg.types.json import Jsonb

from apps.runs.models import Event, NodeRun, Run

RUN_COLUMNS = (
    "id", "status", "epoch", "seq", "unsettled", "nodes_total", "nodes_done", "input_tokens", "output_tokens",
    "cost", "priority", "started_at", "finished_at", "dispatched_at",
)  # fmt: skip
RUN_SAVED = (
    "status", "epoch", "seq", "unsettled", "nodes_total", "nodes_done", "input_tokens", "output_tokens", "cost",
    "started_at", "finished_at", "dispatched_at",
)  # fmt: skip
NODE_COLUMNS = (
    "id", "run_id", "path", "scope", "owner", "item_index", "node", "kind", "queue", "status", "attempt",
    "losses", "fence", "worker",
    "unsettled", "live", "is_decided", "items_total", "cursor", "is_handled", "waiting_for", "due_at",
    "queued_at", "started_at", "finished_at", "attempts",
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
    item: Any = None
    input: Any = None
    output: Any = None
    ports: list[str] = field(default_factory=list)
    error: Any = None
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    has_result: bool = False
    """The columns of `RESULT_SAVED` changed and are to be written."""


_open = threading.local()


@contextmanager
def session() -> Iterator[None]:
    """Use one cursor for a whole transaction.

    On PostgreSQL it is the driver's own: statements are prepared once and sent without waiting for each answer,
    which costs half of what Django's cursor does.
    """
    connection.ensure_connection()
    try:
        if connection.vendor == "postgresql":
            raw = connection.connection
            raw.prepare_threshold = 3
            with connection.wrap_database_errors, raw.pipeline(), psycopg.Cursor(raw) as cursor:
                _open.cursor = cursor
                yield
        else:
            with connection.cursor() as cursor:
                _open.cursor = cursor
                yield
    finally:
        _open.cursor = None


@contextmanager
def _cursor() -> Iterator[Any]:
    current = getattr(_open, "cursor", None)
    if current is not None:
        yield current
    else:
        with connection.cursor() as cursor:
            yield cursor


def lock_runs(ids: Iterable[str]) -> dict[str, RunRow]:
    """Lock the runs in the order of their ids (so that two batches cannot deadlock) and return them by id."""
    keys = sorted(set(ids))
    if not keys:
        return {}
    lock = " FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else ""
    sql = f"SELECT {', '.join(RUN_COLUMNS)} FROM runs_run WHERE id IN ({_holes(keys)}) ORDER BY id{lock}"  # noqa: S608  (constants only)
    return {row[0]: RunRow(*row) for row in _rows(sql, [_id(key) for key in keys], _RUN_READERS)}


def nodes_at(pairs: Iterable[tuple[str, str]]) -> list[NodeRow]:
    """Return node runs by (run id, path)."""
    wanted = list(pairs)
    if not wanted:
        return []
    holes = ", ".join([_PAIR()] * len(wanted))
    sql = f"SELECT {_NODE_LIST} FROM runs_noderun WHERE (run_id, path) IN (VALUES {holes})"  # noqa: S608  (constants only)
    return _nodes(sql, [value for run, path in wanted for value in (_id(run), path)])


def queued_nodes(run: str, queue: str | None, limit: int) -> list[NodeRow]:
    """Return up to `limit` queued node runs of a run, oldest first; of one queue, or of all."""
    where = "run_id = %s AND status = 'queued'" + (" AND queue = %s" if queue else "")
    sql = f"SELECT {_NODE_LIST} FROM runs_noderun WHERE {where} ORDER BY id LIMIT {int(limit)}"  # noqa: S608  (constants only)
    return _nodes(sql, [_id(run), queue] if queue else [_id(run)])


def results_at(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, Any, Any, Any]]:
    """Return (status, output, error, item) by (run id, path)."""
    wanted = list(pairs)
    if not wanted:
        return {}
    holes = ", ".join([_PAIR()] * len(wanted))
    sql = f"SELECT run_id, path, status, output, error, item FROM runs_noderun WHERE (run_id, path) IN (VALUES {holes})"  # noqa: S608  (constants only)
    parameters = [value for run, path in wanted for value in (_id(run), path)]
    rows = _rows(sql, parameters, {0: str_id, 3: from_json, 4: from_json, 5: from_json})
    return {(run, path): (status, output, error, item) for run, path, status, output, error, item in rows}


def scope_failures(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the unhandled errors of node runs by (run id, scope), each with its path as `node`."""
    wanted = list(pairs)
    if not wanted:
        return {}
    holes = ", ".join([_PAIR()] * len(wanted))
    sql = (
        "SELECT run_id, scope, path, error FROM runs_noderun"  # noqa: S608  (constants only)
        f" WHERE (run_id, scope) IN (VALUES {holes}) AND status = 'failed' AND is_handled = {_FALSE()} ORDER BY id"
    )
    parameters = [value for run, scope in wanted for value in (_id(run), scope)]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run, scope, path, error in _rows(sql, parameters, {0: str_id, 3: from_json}):
        found.setdefault((run, scope), []).append({**(error or {}), "node": path})
    return found


def item_results(run: str, owner: str) -> list[tuple[int, str, Any, Any]]:
    """Return (index, status, output, error) of the items of a map, by index."""
    sql = (
        "SELECT item_index, status, output, error FROM runs_noderun"
        " WHERE run_id = %s AND owner = %s AND owner <> '' AND kind = 'item' ORDER BY item_index"
    )
    return _rows(sql, [_id(run), owner], {2: from_json, 3: from_json})


def input_of(run: str) -> Any:
    """Return the input of a run."""
    return _rows("SELECT input FROM runs_run WHERE id = %s", [_id(run)], {0: from_json})[0][0]


def cancel_items(run: str, owner: str, start: int) -> int:
    """Cancel the items of a map from `start` on, none of which was released; return how many node runs that were."""
    open_items = NodeRun.objects.filter(
        run_id=UUID(run), owner=owner, item_index__gte=start, status="pending"
    )
    counted = open_items.exclude(kind="item").count()
    open_items.update(status="cancelled", is_handled=True)
    return counted


def save_runs(rows: Sequence[RunRow]) -> None:
    _update("runs_run", Run, RUN_SAVED, rows)
    ended = [row for row in rows if row.output is not None or row.error is not None]
    _update("runs_run", Run, ("output", "error"), ended)


def save_nodes(rows: Sequence[NodeRow]) -> None:
    plain = [row for row in rows if not row.has_result]
    whole = [row for row in rows if row.has_result]
    _update("runs_noderun", NodeRun, NODE_SAVED, plain)
    _update("runs_noderun", NodeRun, NODE_SAVED + RESULT_SAVED, whole)


def insert_nodes(rows: Sequence[NodeRow]) -> None:
    """Insert new node runs in bulk, in the given order."""
    names = [f.name for f in fields(NodeRow) if f.name not in {"id", "run_id", "has_result"}]
    NodeRun.objects.bulk_create(
        [NodeRun(run_id=UUID(row.run_id), **{name: getattr(row, name) for name in names}) for row in rows],
        batch_size=500,
    )


def insert_events(rows: Sequence[tuple[str, int, str, str, datetime, dict[str, Any]]]) -> None:
    """Append events: (run id, seq, type, path, at, data)."""
    at_, data_ = (adapt or _as_is for adapt in _adapters(Event, ("at", "data")))
    sql = "INSERT INTO runs_event (run_id, seq, type, node, at, data) VALUES "
    hole = "(%s, %s, %s, %s, %s, %s)"
    with _cursor() as cursor:
        for start in range(0, len(rows), 100):
            part = rows[start : start + 100]
            values = [
                value
                for run, seq, kind, node, at, data in part
                for value in (_id(run), seq, kind, node, at_(at), data_(data))
            ]
            cursor.execute(sql + ", ".join([hole] * len(part)), values)


def _as_is(value: Any) -> Any:
    return value


def from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def str_id(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else str(UUID(value))


def _id(run: str) -> Any:
    """Return a run's id as the database's driver wants it."""
    return UUID(run) if connection.features.has_native_uuid_field else UUID(run).hex


def _holes(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _PAIR() -> str:  # noqa: N802  (a constant that depends on the database)
    return "(%s::uuid, %s)" if connection.features.has_native_uuid_field else "(%s, %s)"


def _FALSE() -> str:  # noqa: N802  (a constant that depends on the database)
    return "FALSE" if connection.vendor == "postgresql" else "0"


def _when(value: Any) -> datetime | None:
    """Return a time as the driver gave it: aware already, or SQLite's, which is naive and in UTC."""
    at: datetime | None = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


_NODE_LIST = ", ".join(NODE_COLUMNS)
_TIMES = {"due_at", "queued_at", "started_at", "finished_at", "dispatched_at"}
_RUN_READERS = {0: str_id, 9: float} | {i: _when for i, name in enumerate(RUN_COLUMNS) if name in _TIMES}
_NODE_READERS = (
    {1: str_id, NODE_COLUMNS.index("attempts"): from_json}
    | {NODE_COLUMNS.index(name): bool for name in ("is_decided", "is_handled")}
    | {i: _when for i, name in enumerate(NODE_COLUMNS) if name in _TIMES}
)


def _rows(sql: str, parameters: Sequence[Any], readers: dict[int, Any]) -> list[tuple[Any, ...]]:
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        found = cursor.fetchall()
    return [tuple(readers[i](v) if i in readers else v for i, v in enumerate(row)) for row in found]


def _nodes(sql: str, parameters: Sequence[Any]) -> list[NodeRow]:
    return [NodeRow(*row) for row in _rows(sql, parameters, _NODE_READERS)]


def _update(table: str, model: Any, names: Sequence[str], rows: Sequence[Any]) -> None:
    if not rows:
        return
    adapters = _adapters(model, tuple(names))
    sql = f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in names)} WHERE id = %s"  # noqa: S608  (constants only)
    key = _id if model is Run else int
    with _cursor() as cursor:
        for row in rows:
            values = [
                a(getattr(row, n)) if a else getattr(row, n) for n, a in zip(names, adapters, strict=True)
            ]
            cursor.execute(sql, [*values, key(row.id)])


def _adapters(model: Any, names: tuple[str, ...]) -> list[Callable[[Any], Any] | None]:
    """Return for each column what makes of a value what the driver takes; None: the value as it is."""
    known = _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE
    return [known.get(_type_of(model, name)) for name in names]


@cache
def _type_of(model: Any, name: str) -> str:
    return str(model._meta.get_field(name).get_internal_type())


def _sqlite_time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _sqlite_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _postgresql_json(value: Any) -> Any:
    return None if value is None else Jsonb(value)


_SQLITE: dict[str, Callable[[Any], Any]] = {
    "JSONField": _sqlite_json,
    "DateTimeField": _sqlite_time,
    "DecimalField": str,
}
_POSTGRESQL: dict[str, Callable[[Any], Any]] = {"JSONField": _postgresql_json}
