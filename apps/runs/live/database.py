"""Reading rows from an event loop: in a few threads of its own, connections given back after every read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")


async def in_database(read: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Await a synchronous function that reads rows. Raises what it raises."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), partial(_read, read, *args, **kwargs))


def _read(read: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return read(*args, **kwargs)
    finally:
        _give_back()


def _give_back() -> None:
    """Return this thread's connections to their pool. SQLite's stay open: there is no pool, and opening the file
    costs more than most reads."""
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "sqlite" or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.ORCHESTRA_STREAM_THREADS, thread_name_prefix="live-rows")
