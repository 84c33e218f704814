"""The sender: one thread per worker process that puts messages on the broker after the commit.

A message that cannot be sent is dropped with a warning: its node run stays queued in the database, and the upkeep
sends for it again. So a broker that is away never holds up recording.
"""

from __future__ import annotations

import queue
import threading

import structlog

from apps.runs.actions.operations import Dispatch
from orchestra.celery import BrokerAway
from workers import canvas

log = structlog.get_logger(__name__)


class Sender:
    def __init__(self) -> None:
        self._dispatches: queue.SimpleQueue[Dispatch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sender", daemon=True)
        self._thread.start()

    def send(self, dispatch: Dispatch) -> None:
        self._dispatches.put(dispatch)

    def close(self, timeout: float = 5) -> None:
        """Send what is waiting and end the thread."""
        self._dispatches.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while (dispatch := self._dispatches.get()) is not None:
            try:
                canvas.send(dispatch)
            except BrokerAway as error:
                log.warning("broker_away", run=dispatch.run, error=str(error))
            except Exception:
                log.exception("dispatch_failed", run=dispatch.run)
