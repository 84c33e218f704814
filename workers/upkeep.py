"""The upkeep: every second, from whichever process leads, mend what broke.

`celery beat` runs it as its scheduler (`-S workers.upkeep:UpkeepScheduler`); the embedded default runs it as a thread
of the worker. Two may run at once: a lease in the database decides who leads, and every pass is safe to repeat.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery.beat import Scheduler
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from apps.accounts.actions import purge_expired
from apps.agents.actions import breakers
from apps.chat.actions import follow_answers
from apps.runs import live
from apps.runs.actions import admission, aging, assignments, cache, limits, places, retention
from apps.runs.actions import upkeep as passes
from apps.runs.actions.control import cancel_orphans
from apps.runs.models import Leadership
from apps.triggers import actions as triggers
from apps.usage.actions import purge_reservations, roll_up
from workers import signs, telemetry

log = structlog.get_logger(__name__)

PERIOD = 1.0
LEADER = "upkeep"
AGING_PARTS = 6
"""How often in a period of aging it is seen who has waited one."""
LEADER_LEASE = timedelta(seconds=6)
HOUSEKEEPING_PERIOD = 60.0
PURGE_SECONDS = 0.3


class Upkeep:
    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}"
        self._next_housekeeping = 0.0
        self._next_aging = 0.0
        self._forgotten_at: datetime | None = None
        self._sees_again_at = 0.0
        """Until then, after the database was away, workers are given time to renew their leases."""

    def tick(self) -> None:
        """Make one round if this process leads. Never raises: the next round comes in a second."""
        if self._guarded(self._leads):
            for part in (self._round, start_runs, follow_answers, signs.send_probes, purge_runs):
                self._guarded(part)

    def _guarded(self, part: Callable[[], Any]) -> Any:
        """Make one part of a round; what goes wrong in it holds up no other part."""
        try:
            return part()
        except DatabaseError as error:
            connection.close_if_unusable_or_obsolete()
            if isinstance(error, OperationalError | InterfaceError):
                self._sees_again_at = time.monotonic() + settings.ORCHESTRA_LEASE_SECONDS / 2
            log.warning("upkeep_postponed", error=str(error).strip())
        except Exception:
            log.exception("upkeep_failed")
        return None

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
        self._guarded(passes.end_due_waits)
        self._guarded(passes.release_postponed)
        self._guarded(cancel_orphans)
        self._guarded(hand_out)
        self._guarded(self._note_lost_workers)
        rescues = {
            "worker_lost": passes.take_from_lost_workers,
            "agent_lost": assignments.take_from_lost_agents,
            "agent_overdue": assignments.end_overdue,
            "child_ended": passes.tell_parents,
            "retry_due": passes.release_due,
            "overdue": limits.end_overdue,
            "aged": self._age,
            "place_free": places.settle_all_places,
            "resent": self._resend,
        }
        for what, rescue in rescues.items():
            if count := self._guarded(rescue):
                telemetry.RESCUED.labels(what).inc(count)
                log.info("rescued", what=what, count=count)
        if time.monotonic() > self._next_housekeeping:
            self._next_housekeeping = time.monotonic() + HOUSEKEEPING_PERIOD
            purge()

    def _note_lost_workers(self) -> None:
        """Declare silent workers lost; not just after the database was away, when every worker has been silent."""
        if time.monotonic() < self._sees_again_at:
            return
        for name in passes.note_lost_workers():
            log.warning("worker_lost", worker=name)

    def _age(self) -> int:
        if time.monotonic() < self._next_aging:
            return 0
        self._next_aging = time.monotonic() + settings.ORCHESTRA_AGING_SECONDS / AGING_PARTS
        return aging.raise_waiting()

    def _resend(self) -> int:
        """Send again what was lost: all at once when the broker lost its memory, else what nobody took for long."""
        if signs.has_forgotten():
            log.warning("broker_forgot")
            self._forgotten_at = timezone.now()
        if self._forgotten_at is None:
            return passes.resend_unclaimed(signs.is_late)
        sent = passes.resend_all(self._forgotten_at)
        if sent < passes.RESENT_AT_ONCE:
            self._forgotten_at = None
        return sent


def hand_out() -> None:
    """Give to remote agents what waits for one, and have it sent to them."""
    if given := assignments.hand_out():
        live.tell_workers({"given": [str(agent) for agent in given]})


def purge() -> None:
    """Remove what is old or was left behind, a batch of each."""
    assignments.recount_slots()
    passes.forget_workers()
    cache.purge_results()
    admission.forget_spending()
    purge_expired()
    triggers.purge_firings()
    breakers.purge_changes()
    retention.purge_canvas_parts()
    purge_reservations()
    roll_up(seconds=PURGE_SECONDS)


def purge_runs() -> None:
    """Delete old runs for a moment, if any are to be deleted at all; the rest goes in the rounds that follow."""
    if gone := retention.purge_runs(seconds=PURGE_SECONDS):
        log.info("runs_purged", count=gone)


def start_runs() -> None:
    """Start what schedules, queues of triggers and ends of runs ask for."""
    triggers.start_due()
    triggers.release_queued()
    triggers.follow_endings()


def is_kept_up() -> bool:
    """Say whether some process leads the upkeep now."""
    return Leadership.objects.filter(pk=LEADER, seen_at__gte=timezone.now() - LEADER_LEASE).exists()


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
