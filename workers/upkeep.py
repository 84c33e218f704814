"""The upkeep: every second, from whichever process leads, mend what broke.

`celery beat` runs it as its scheduler (`-S workers.upkeep:UpkeepScheduler`); the embedded default runs it as a thread
of the worker. Two may run at once: a lease in the database decides who leads, and every pass is safe to repeat.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import timedelta

import structlog
from celery.beat import Scheduler
from django.db import Error as DatabaseError
from django.db import IntegrityError, connection
from django.db.models import Q
from django.utils import timezone

from apps.accounts.actions import purge_expired
from apps.runs.actions import upkeep as passes
from apps.runs.models import Leadership
from orchestra.celery import app
from workers import telemetry

log = structlog.get_logger(__name__)

PERIOD = 1.0
LEADER = "upkeep"
LEADER_LEASE = timedelta(seconds=6)
HOUSEKEEPING_PERIOD = 300.0


class Upkeep:
    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}"
        self._next_housekeeping = 0.0

    def tick(self) -> None:
        """Make one round if this process leads. Never raises: the next round comes in a second."""
        try:
            if self._leads():
                self._round()
        except DatabaseError as error:
            connection.close_if_unusable_or_obsolete()
            log.warning("upkeep_postponed", error=str(error).strip())
        except Exception:
            log.exception("upkeep_failed")

    def _leads(self) -> bool:
        """Take or renew the leader's lease."""
        now = timezone.now()
        free = Q(holder=self.name) | Q(seen_at__lt=now - LEADER_LEASE)
        if Leadership.objects.filter(free, pk=LEADER).update(holder=self.name, seen_at=now):
            return True
        if Leadership.objects.filter(pk=LEADER).exists():
            return False
        try:
            Leadership.objects.create(pk=LEADER, holder=self.name, seen_at=now)
        except IntegrityError:
            return False
        return True

    def _round(self) -> None:
        for name in passes.note_lost_workers():
            log.warning("worker_lost", worker=name)
        counts = {
            "worker_lost": passes.take_from_lost_workers(),
            "retry_due": passes.release_due(),
            "resent": passes.resend_unclaimed(is_backlogged),
        }
        for what, count in counts.items():
            if count:
                telemetry.RESCUED.labels(what).inc(count)
                log.info("rescued", what=what, count=count)
        if time.monotonic() > self._next_housekeeping:
            self._next_housekeeping = time.monotonic() + HOUSEKEEPING_PERIOD
            passes.forget_workers()
            purge_expired()


def is_kept_up() -> bool:
    """Say whether some process leads the upkeep now."""
    return Leadership.objects.filter(pk=LEADER, seen_at__gte=timezone.now() - LEADER_LEASE).exists()


def is_backlogged(queue: str) -> bool:
    """Say whether messages wait in a queue: then what is not claimed is late, not lost."""
    try:
        with app.connection_for_read() as broker, broker.channel() as channel:
            return bool(channel.queue_declare(queue, passive=True).message_count)
    except Exception:
        return False


class UpkeepThread:
    """The upkeep inside a worker process."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="upkeep", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        upkeep = Upkeep()
        while not self._stop.wait(PERIOD):
            upkeep.tick()
        connection.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)


class UpkeepScheduler(Scheduler):  # type: ignore[misc]  # Celery is untyped
    """Celery beat's schedule, replaced by the upkeep."""

    def setup_schedule(self) -> None:
        self.upkeep = Upkeep()

    def tick(self, *_args: object, **_options: object) -> float:
        self.upkeep.tick()
        return PERIOD

    @property
    def info(self) -> str:
        return "    . upkeep -> every second, one leader"
