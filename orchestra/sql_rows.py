"""Model objects from SQL that is written out: for the few queries that every request makes.

Django makes the text of a query anew each time, which takes several times as long as the database takes to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


def columns(model: type[Model], alias: str) -> str:
    """Return all columns of a model's table under this alias, in the order that `read` expects."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def width(model: type[Model]) -> int:
    """Return how many columns that is."""
    return len(model._meta.concrete_fields)


def read(model: type[M], values: Sequence[Any]) -> M:
    """Return the object whose columns, all of them, have these values."""
    found = list(values)
    for index, convert in _converters(model, connection.vendor):
        found[index] = convert(found[index])
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, names, found)


@cache
def _converters(model: type[Model], vendor: str) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return what makes of the driver's values what the fields hold, by index."""
    made: list[tuple[int, Callable[[Any], Any]]] = []
    for index, field in enumerate(model._meta.concrete_fields):
        column = field.get_col(model._meta.db_table)
        steps = [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]
        made += [(index, partial(_convert, step, column)) for step in steps]
    return made


def _convert(step: Callable[..., Any], column: Any, value: Any) -> Any:
    return step(value, column, connection)
