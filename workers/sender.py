"""The sender: one thread per worker process that puts messages on the broker after the commit.

A message that cannot be sent is dropped with a warning: its node run stays queued in the database, and the upkeep
sends for it again. So a broker that is away never holds up recording.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial

import structlog

from apps.runs.actions.operations import Dispatch
from orchestra.celery import ADVANCE, FEED, BrokerAway, publish
from workers import canvas

log = structlog.get_logger(__name__)


class Sender:
    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[str, Callable[[], object]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sender", daemon=True)
        self._thread.start()

    def send(self, dispatch: Dispatch) -> None:
        self._waiting.put((dispatch.run, partial(canvas.send, dispatch)))

    def advance(self, run: str, priority: int) -> None:
        """Ask for a run to be advanced."""
        self._waiting.put((run, partial(publish, ADVANCE, queue="control", priority=priority, run=run)))

    def feed(self, run: str, source: str, epoch: int, priority: int, trace: str = "") -> None:
        """Send one more feeder for a run's queue."""
        ids = {"run": run, "source": source, "epoch": epoch}
        self._waiting.put((run, partial(publish, FEED, queue=source, priority=priority, trace=trace, **ids)))

    def close(self, timeout: float = 5) -> None:
        """Send what is waiting and end the thread."""
        self._waiting.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while (entry := self._waiting.get()) is not None:
            run, send = entry
            try:
                send()
            except BrokerAway as error:
                log.warning("broker_away", run=run, error=str(error))
            except Exception:
                log.exception("dispatch_failed", run=run)
