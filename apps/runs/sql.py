"""Statements on many rows at once, of few texts, so that driver and database parse each of them once.

PostgreSQL takes rows as one JSON parameter and lists as arrays, and statements whose answer nobody needs yet are
sent without waiting; SQLite takes rows one by one. This is the one file that knows the difference.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, transaction
from django.db.models import Model

Readers = Mapping[int, Callable[[Any], Any]]
"""By column: what makes of a value what Python takes."""

Query = tuple[str, Sequence[Any], Readers]

_open = threading.local()


def is_postgresql() -> bool:
    return bool(connection.vendor == "postgresql")


@contextmanager
def session() -> Iterator[None]:
    """Make one transaction with the driver's own cursors: half the cost of Django's, and fewer waits.

    Inside another transaction it is a savepoint of that one. Raises django.db.Error; then nothing has happened.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if not is_postgresql():
            with connection.cursor() as cursor, _using(cursor):
                yield
            return
        raw = connection.connection
        raw.prepare_threshold = 2
        with connection.wrap_database_errors, raw.pipeline(), psycopg.Cursor(raw) as own, _using(own):
            with connection.execute_wrapper(_after_flush):
                yield
            flush()
            if is_outermost:
                own.execute("COMMIT")  # goes out with what was written; Django then finds nothing left to do


@contextmanager
def _using(cursor: Any) -> Iterator[None]:
    outer = getattr(_open, "cursor", None), getattr(_open, "pending", [])
    _open.cursor, _open.pending = cursor, []
    try:
        yield
    finally:
        _open.cursor, _open.pending = outer


def _after_flush(execute: Callable[..., Any], *arguments: Any) -> Any:
    """Send what waits before a statement of Django's own."""
    flush()
    return execute(*arguments)


def flush() -> None:
    """Send the writes of a session that wait: together as one statement, as they concern different rows."""
    pending: list[tuple[str, str]] = getattr(_open, "pending", [])
    if not pending:
        return
    _open.pending = []
    *others, (last, _document) = pending
    parts = ", ".join(f"w{number} AS ({text} RETURNING 1)" for number, (text, _) in enumerate(others))
    _open.cursor.execute(f"WITH {parts} {last}" if parts else last, [document for _, document in pending])


@contextmanager
def _cursor() -> Iterator[Any]:
    current = getattr(_open, "cursor", None)
    if current is not None:
        yield current
    else:
        with connection.cursor() as cursor:
            yield cursor


# Reading ---------------------------------------------------------------------------------------------------
def fetch(text: str, values: Sequence[Any], readers: Readers) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    flush()
    with _cursor() as cursor:
        cursor.execute(text, values)
        return _read(cursor.fetchall(), readers)


def increment(table: str, column: str, id_: UUID) -> int:
    """Add one to a counter and return it; its row stays locked until the end of the transaction."""
    text = f"UPDATE {table} SET {column} = {column} + 1 WHERE id = %s RETURNING {column}"  # noqa: S608  (constants only)
    return int(fetch(text, [key(str(id_))], {})[0][0])


def fetch_all(*queries: Query) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each query, made in this order; inside a session on PostgreSQL for one wait."""
    if getattr(_open, "cursor", None) is None or not is_postgresql():
        return [fetch(*query) for query in queries]
    flush()
    with ExitStack() as stack:
        sent = []
        for text, values, readers in queries:
            cursor = stack.enter_context(psycopg.Cursor(connection.connection))
            cursor.execute(text, values)
            sent.append((cursor, readers))
        return [_read(cursor.fetchall(), readers) for cursor, readers in sent]


def _read(rows: Sequence[tuple[Any, ...]], readers: Readers) -> list[tuple[Any, ...]]:
    if not readers:
        return list(rows)
    found = []
    for row in rows:
        values = list(row)
        for index, reader in readers.items():
            if values[index] is not None:
                values[index] = reader(values[index])
        found.append(tuple(values))
    return found


def lock() -> str:
    """Return what locks the rows of a SELECT, where rows can be locked."""
    return " FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else ""


def any_of(column: str, ids: Sequence[str]) -> tuple[str, list[Any]]:
    """Return (condition, parameters) for a column of run ids."""
    if is_postgresql():
        return f"{column} = ANY(%s)", [[UUID(value) for value in ids]]
    return f"{column} IN ({', '.join(['%s'] * len(ids))})", [key(value) for value in ids]


def pairs(wanted: Sequence[tuple[str, str]]) -> tuple[str, list[Any]]:
    """Return (subquery, parameters) for pairs of run id and text."""
    if is_postgresql():
        runs, texts = [UUID(run) for run, _text in wanted], [text for _run, text in wanted]
        return "SELECT * FROM unnest(%s::uuid[], %s::text[])", [runs, texts]
    values = [value for run, text in wanted for value in (key(run), text)]
    return f"VALUES {', '.join(['(%s, %s)'] * len(wanted))}", values


def key(run: str) -> Any:
    """Return a run's id as the database's driver wants it."""
    return UUID(run) if connection.features.has_native_uuid_field else UUID(run).hex


def from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def from_time(value: Any) -> datetime:
    """Return a time as the driver gave it: aware already, or SQLite's, which is naive and in UTC."""
    at: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def str_id(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else str(UUID(value))


# Writing ---------------------------------------------------------------------------------------------------
def insert(model: type[Model], names: Sequence[str], rows: Sequence[Any]) -> None:
    """Insert objects with these attributes, in the given order."""
    if not rows:
        return
    table, columns = model._meta.db_table, ", ".join(names)
    if is_postgresql():
        source = _recordset(model, tuple(names), _estimate(rows))
        _write(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}", _document(names, rows))  # noqa: S608  (constants only)
        return
    holes = ", ".join(["%s"] * len(names))
    text = f"INSERT INTO {table} ({columns}) VALUES ({holes})"  # noqa: S608  (constants only)
    with _cursor() as cursor:
        cursor.executemany(text, _tuples(model, names, rows))


def update(model: type[Model], names: Sequence[str], rows: Sequence[Any], keep: Collection[str] = ()) -> None:
    """Write these attributes of objects to the rows with their ids; None in a column of `keep` changes nothing."""
    if not rows:
        return
    table = model._meta.db_table
    if is_postgresql():
        sets = ", ".join(
            f"{n} = COALESCE(new.{n}, old.{n})" if n in keep else f"{n} = new.{n}" for n in names
        )
        source = _recordset(model, ("id", *names), _estimate(rows))
        text = f"UPDATE {table} old SET {sets} FROM {source} WHERE old.id = new.id"  # noqa: S608  (constants only)
        _write(text, _document(("id", *names), rows))
        return
    sets = ", ".join(f"{n} = COALESCE(%s, {n})" if n in keep else f"{n} = %s" for n in names)
    text = f"UPDATE {table} SET {sets} WHERE id = %s"  # noqa: S608  (constants only)
    with _cursor() as cursor:
        cursor.executemany(text, _tuples(model, (*names, "id"), rows))


def _write(text: str, document: str) -> None:
    """Have a statement sent with the others of the session, or at once outside of one."""
    if getattr(_open, "cursor", None) is not None:
        _open.pending.append((text, document))
        return
    with connection.cursor() as cursor:
        cursor.execute(text, [document])


@cache
def _recordset(model: type[Model], names: tuple[str, ...], limit: int) -> str:
    columns = ", ".join(f"{name} {_type(model, name)}" for name in names)
    return f"(SELECT * FROM jsonb_to_recordset(%s::jsonb) AS given({columns}) LIMIT {limit}) AS new"  # noqa: S608  (constants only)


def _estimate(rows: Sequence[Any]) -> int:
    """Return a bound of the number of rows that is the same for similar ones: the planner guesses 100 otherwise."""
    limit = 1
    while limit < len(rows):
        limit *= 8
    return limit


def _type(model: type[Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return str(
        field.rel_db_type(connection) if name == "id" or field.is_relation else field.db_type(connection)
    )


def _document(names: Sequence[str], rows: Sequence[Any]) -> str:
    return json.dumps([{name: getattr(row, name) for name in names} for row in rows], default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _tuples(model: type[Model], names: Sequence[str], rows: Sequence[Any]) -> list[list[Any]]:
    adapters = [_SQLITE.get(_kind(model, name)) for name in names]
    return [
        [
            value if adapt is None or value is None else adapt(value)
            for adapt, value in zip(adapters, [getattr(row, name) for name in names], strict=True)
        ]
        for row in rows
    ]


@cache
def _kind(model: type[Model], name: str) -> str:
    field: Any = model._meta.get_field(name)
    return str((field.target_field if field.is_relation else field).get_internal_type())


def _sqlite_time(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


_SQLITE: dict[str, Callable[[Any], Any]] = {
    "JSONField": json.dumps,
    "DateTimeField": _sqlite_time,
    "DecimalField": str,
    "UUIDField": lambda value: UUID(str(value)).hex,
}
