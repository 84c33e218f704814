"""The recorder: one thread per worker process that owns its database connection and commits in groups.

Whatever arrives while a transaction is under way goes into the next one, so a busy process pays for few commits and
an idle one waits for nobody. While the database is away operations are kept and tried again; nothing is dropped.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection

from apps.runs.actions.commit import commit
from apps.runs.actions.doubt import Doubt
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Applied, Dispatch, Operation
from workers import telemetry

log = structlog.get_logger(__name__)

LARGEST_GROUP = 256
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0

Entry = tuple[Operation | Callable[[], Any], "Future[Any]"]


class Recorder:
    """Submit operations from any thread; each gets a future of its answer, and what has to be sent is sent."""

    def __init__(
        self, worker: str, send: Callable[[Dispatch], None], advance: Callable[[str, int], None]
    ) -> None:
        self.worker = worker
        self._send = send
        self._advance = advance
        self.book = FactBook()
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> Future[Applied]:
        """Have an operation committed."""
        future: Future[Applied] = Future()
        future.add_done_callback(telemetry.timer_of(operation))
        self._entries.put((operation, future))
        return future

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Run a short database read on the recorder's connection."""
        future: Future[Any] = Future()
        self._entries.put((function, future))
        return future

    def close(self, timeout: float = 10) -> None:
        """Commit what has been submitted and end the thread."""
        self._entries.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            entries = self._next_group()
            if not entries:
                break
            operations = [(entry, future) for entry, future in entries if not callable(entry)]
            for entry, future in entries:
                if callable(entry):
                    self._call(entry, future)
            if operations:
                self._commit(operations)
        connection.close()

    def _next_group(self) -> list[Entry]:
        first = self._entries.get()
        group = [] if first is None else [first]
        while group and len(group) < LARGEST_GROUP and not self._entries.empty():
            entry = self._entries.get()
            if entry is None:
                self._entries.put(None)
                break
            group.append(entry)
        return group

    def _call(self, function: Callable[[], Any], future: Future[Any]) -> None:
        try:
            future.set_result(function())
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError):
                connection.close()
            future.set_exception(error)

    def _commit(self, entries: Sequence[tuple[Operation, Future[Applied]]]) -> None:
        """Commit a group; a group that the database refuses is taken apart, so that one bad operation stands alone."""
        operations = [operation for operation, _future in entries]
        try:
            answers = self._persist(operations)
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    self._commit([entry])
            else:
                log.exception(
                    "operation_refused", operation=type(operations[0]).__name__, run=operations[0].run
                )
                entries[0][1].set_exception(error)
            return
        for (_operation, future), answer in zip(entries, answers, strict=True):
            future.set_result(answer)
            if answer.dispatch is not None:
                self._send(answer.dispatch)
            if answer.parent is not None:
                self._advance(*answer.parent)

    def _persist(self, operations: Sequence[Operation]) -> list[Applied]:
        """Commit, trying for as long as the database is away."""
        pause, doubt = FIRST_PAUSE, Doubt()
        while True:
            started = time.perf_counter()
            try:
                answers = commit(operations, worker=self.worker, book=self.book, doubt=doubt)
            except (OperationalError, InterfaceError) as error:
                connection.close()
                log.warning(
                    "database_away", error=str(error).strip(), operations=len(operations), pause=pause
                )
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except DatabaseError:
                connection.close()
                raise
            else:
                telemetry.COMMIT_SECONDS.observe(time.perf_counter() - started)
                telemetry.COMMIT_SIZE.observe(len(operations))
                return answers
