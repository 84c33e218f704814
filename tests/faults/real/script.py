"""The fault script: what is done to the installation, in seeded order, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.faults.real.fleet import Fleet
from tests.faults.real.outside import Fault, Person
from tests.faults.real.services import PostgreSQL, Redis

Places = Sequence[tuple[str, str]]
"""(path, queue) of the first nodes of a run's own segments."""


AIM_SECONDS = 20.0


@dataclass(frozen=True)
class Dose:
    """How much of each fault; times in seconds."""

    kills: int = 10
    aimed: int = 3
    """More of them, each at a worker that is just sending an effect that may happen once."""
    flushes: int = 2
    restarts: int = 1
    database_seconds: float = 20.0
    freeze_seconds: float = 60.0
    pause: tuple[float, float] = (4.0, 14.0)


SHORT = Dose(
    kills=2, aimed=1, flushes=1, restarts=1, database_seconds=4.0, freeze_seconds=12.0, pause=(1.0, 4.0)
)


@dataclass
class Script:
    random: Random
    dose: Dose
    fleet: Fleet
    database: PostgreSQL
    broker: Redis
    person: Person
    struck: list[Fault] = field(default_factory=list)

    def play(self) -> None:
        """Strike with everything; return when the last fault is over."""
        dose = self.dose
        faults: list[Callable[[], str]] = [
            *[self._kill] * dose.kills,
            *[self._kill_in_effect] * dose.aimed,
            *[self._flush] * dose.flushes,
            *[self._restart_broker] * dose.restarts,
            self._stop_database,
            self._freeze,
        ]
        self.random.shuffle(faults)
        for fault in faults:
            time.sleep(self.random.uniform(*dose.pause))
            started = time.time()
            name = fault()
            self.struck.append((name, started, time.time()))
            print(f"  {name} ({time.time() - started:.1f} s)", flush=True)

    def _kill(self) -> str:
        name = self.random.choice(self.fleet.workers)
        self.fleet.kill(name)
        return f"kill -9 {name}"

    def _kill_in_effect(self) -> str:
        run, _, path = self.person.world.await_in_air("/pay", AIM_SECONDS).partition("/")
        if not run:
            return self._kill()
        worker = self.person.client.call("GET", f"runs/{run}/nodes/{path}")["worker"]
        try:
            name = self.fleet.find(worker)
        except LookupError:
            return self._kill()
        self.fleet.kill(name)
        return f"kill -9 in an effect of {name}"

    def _flush(self) -> str:
        self.broker.client().flushall()
        return "FLUSHALL"

    def _restart_broker(self) -> str:
        self.broker.stop()
        time.sleep(2)
        self.broker.start()
        return "restart of Redis"

    def _stop_database(self) -> str:
        self.database.stop()
        time.sleep(self.dose.database_seconds)
        self.database.start()
        return "stop of PostgreSQL"

    def _freeze(self) -> str:
        name = self.random.choice(self.fleet.workers)
        self.person.may_decide.clear()
        self.fleet.freeze(name)
        time.sleep(self.dose.freeze_seconds)
        self.fleet.thaw(name)
        time.sleep(2)
        self.person.may_decide.set()
        return f"freeze of {name}"


class Meddler(threading.Thread):
    """Delivers messages twice and out of order: of any node of any run, at any time."""

    def __init__(self, random: Random, runs: Mapping[str, Places]) -> None:
        super().__init__(name="meddler", daemon=True)
        self.random = random
        self.runs = runs
        self.is_over = False
        self.sent = 0

    def run(self) -> None:
        while not self.is_over:
            time.sleep(0.1)
            if self.runs:
                with suppress(Exception):  # the broker is away
                    self._meddle()

    def _meddle(self) -> None:
        from orchestra.celery import ADVANCE, RUN_SEGMENT, publish

        run = self.random.choice(list(self.runs))
        path, queue = self.random.choice(self.runs[run])
        if self.random.random() < 0.2:
            publish(ADVANCE, queue="control", run=run)
        else:
            publish(RUN_SEGMENT, queue=queue, run=run, path=path, epoch=0)
        self.sent += 1
