"""The lease of a worker process: one row, renewed by a thread of its own, so that slow is not taken for dead."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from apps.runs.models import Run, Worker
from orchestra.engine.status import FINAL_RUN
from workers import telemetry

if TYPE_CHECKING:
    from workers.runtime import Runtime

log = structlog.get_logger(__name__)

LOOKED_AT = 500
"""Of how many of its runs a worker asks at a renewal whether they have ended."""

RENEWALS = 4
"""How often a lease is renewed before it would run out."""


class Lease:
    def __init__(self, runtime: Runtime, *, queues: str = "", pool: str = "", slots: int = 0) -> None:
        self.runtime = runtime
        self.facts = {"queues": queues, "pool": pool, "slots": slots}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lease", daemon=True)

    def start(self) -> None:
        self._renew()
        self._thread.start()

    def stop(self) -> None:
        """Give the lease up: what this process still runs may be taken at once."""
        self._stop.set()
        self._thread.join(5)
        with contextlib.suppress(DatabaseError):  # then the lease runs out by itself
            Worker.objects.filter(pk=self.runtime.name).update(lost_at=timezone.now())
            connection.close()

    def _work(self) -> None:
        period = settings.ORCHESTRA_LEASE_SECONDS / RENEWALS
        while not self._stop.wait(period):
            self._renew()
        connection.close()

    def _renew(self) -> None:
        try:
            with telemetry.LEASE_SECONDS.time():
                self._write()
            self.stop_ended()
        except DatabaseError as error:
            connection.close_if_unusable_or_obsolete()
            telemetry.LEASES_MISSED.inc()
            log.warning("lease_not_renewed", error=str(error).strip())

    def stop_ended(self) -> None:
        """Stop what this process still runs for runs that have ended: the word that a cancel sends may get lost."""
        at_work = list(self.runtime.running)[:LOOKED_AT]
        if at_work:
            ended = Run.objects.filter(pk__in=at_work, status__in=FINAL_RUN).values_list("pk", flat=True)
            for run in ended:
                self.runtime.stop(str(run))

    def _write(self) -> None:
        now = timezone.now()
        busy = sum(len(tasks) for tasks in list(self.runtime.running.values()))
        changed = Worker.objects.filter(pk=self.runtime.name).update(seen_at=now, busy=busy, lost_at=None)
        if not changed:
            Worker.objects.create(pk=self.runtime.name, seen_at=now, version=settings.VERSION, **self.facts)
