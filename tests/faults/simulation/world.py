"""An installation in virtual time: the real engine on the test database, everything around it simulated and faulty."""

from __future__ import annotations

import asyncio
import random as standard_random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.runs import dispatch, live
from apps.runs.actions import cancel_run, pause_run, resume_run, start_run
from apps.runs.actions import upkeep as passes
from apps.runs.actions.commit import commit
from apps.runs.actions.doubt import Doubt
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Applied, Operation
from apps.runs.events import EventLog
from apps.runs.models import Run, Worker
from apps.workflows.models import Workflow
from orchestra.errors import Conflict
from tests.faults.simulation.behaviour import scripted
from tests.faults.simulation.broker import LossyBroker
from tests.faults.simulation.chance import Chance, Crash, Odds
from tests.faults.simulation.clock import VirtualLoop
from tests.faults.simulation.process import WorkerProcess
from workers import context as worker_context
from workers import runtime
from workers import upkeep as upkeeps
from workers.upkeep import Upkeep

FLEET = (
    ("loop", ("llm", "io", "control"), 100),
    ("loop", ("llm", "io", "control"), 100),
    ("cpu", ("cpu",), 60),
    ("control", ("control",), 4),
)
START_SECONDS = 25.0
"""Runs are started over so long."""

FAULT_SECONDS = 40.0
"""Faults strike only so long; a freeze that began in time may end later."""

REST_SECONDS = 30.0
"""From the end of the last fault nothing may rest longer."""

PATIENCE_SECONDS = 100.0


@dataclass(frozen=True)
class Story:
    """What came of a world: for the checker."""

    runs: Sequence[Run]
    seconds: float
    calm_at: float
    work_seconds: float
    """What the longest run may take when nothing goes wrong."""
    struck: dict[str, int]
    errors: Sequence[BaseException]
    """What went wrong that no fault explains."""


@dataclass
class World:
    chance: Chance
    lease_seconds: float
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    has_upkeep: bool = True
    database_is_away: bool = False
    is_over: bool = False
    errors: list[BaseException] = field(default_factory=list)
    workers: list[WorkerProcess] = field(default_factory=list)
    calm_at: float = FAULT_SECONDS
    asked: list[Any] = field(default_factory=list)
    """Answers that someone waits for: kept, so that what waits in dead processes is not collected."""
    _born: int = 0

    def __post_init__(self) -> None:
        self.broker = LossyBroker(self.loop, self.chance)
        self.broker.wake = self._wake
        self.never: asyncio.Future[None] = self.loop.create_future()

    # What simulated processes do to the outside ----------------------------------------------
    def commit(
        self, operations: Sequence[Operation], worker: str, book: FactBook, doubt: Doubt
    ) -> list[Applied]:
        if self.database_is_away:
            self._away()
        with self.loop.outside(), transaction.atomic():
            return commit(operations, worker=worker, book=book, doubt=doubt)

    def publish(self, name: str, *, queue: str, priority: int = 1, trace: str = "", **arguments: Any) -> None:
        self.chance.crash_at("before a hint")
        self.broker.put(name, queue, arguments)

    def give_up_lease(self, worker: str) -> None:
        with self.loop.outside():
            Worker.objects.filter(pk=worker).update(lost_at=timezone.now())

    def died(self, process: WorkerProcess) -> None:
        self.workers.remove(process)
        self.chance.struck["worker ended"] += 1
        kind = process.name.partition("-")[0]
        self.loop.call_later(self.chance.random.uniform(0.5, 4), self._start, kind, process)

    def _start(self, kind: str, like: WorkerProcess) -> None:
        self.start_worker(kind, like.queues, like.slots)

    def start_worker(self, kind: str, queues: Sequence[str], slots: int) -> None:
        self._born += 1
        self.workers.append(WorkerProcess(self, f"{kind}-{self._born:04d}", queues, slots))
        self._wake()

    def _wake(self) -> None:
        for process in list(self.workers):
            process.take()

    # The script ------------------------------------------------------------------------------
    async def live(self, workflows: Sequence[Workflow], by: User, count: int) -> list[Run]:
        """Start runs, let faults strike, and return when everything has ended or patience is over."""
        for kind, queues, slots in FLEET:
            self.start_worker(kind, queues, slots)
        beats = [self.loop.create_task(self._beat(f"beat-{number}")) for number in (1, 2)]
        faults = self.loop.create_task(self._strike())
        runs = [
            await self._submit(self.chance.random.choice(workflows), by, START_SECONDS / count)
            for _ in range(count)
        ]
        while self.loop.time() < self.calm_at + PATIENCE_SECONDS:
            await asyncio.sleep(1)
            if faults.done() and not self._is_busy(runs):
                break
        for task in (*beats, faults):
            task.cancel()
        return runs

    def _is_busy(self, runs: Sequence[Run]) -> bool:
        with self.loop.outside():
            return Run.objects.open().filter(pk__in=[run.pk for run in runs]).exists()

    async def _submit(self, workflow: Workflow, by: User, pause: float) -> Run:
        await asyncio.sleep(self.chance.random.uniform(0, 2 * pause))
        while self.database_is_away:  # noqa: ASYNC110  (time is virtual)
            await asyncio.sleep(0.5)
        try:
            with self.loop.outside(), transaction.atomic():
                run = start_run(workflow=workflow, input={}, by=by)
        except Crash:
            return await self._submit(workflow, by, pause)
        with suppress(Crash):
            dispatch.send_advance(str(run.pk), run.priority)
        self._let_people_act(run, by)
        return run

    def _let_people_act(self, run: Run, by: User) -> None:
        """Have some runs cancelled, and some paused for a while."""
        odds, random = self.chance.odds, self.chance.random
        roll, soon = random.random(), random.uniform(0, 3)
        if roll < odds.cancelled:
            self.loop.call_later(soon, self._act, cancel_run, run, by)
        elif roll < odds.cancelled + odds.paused:
            self.loop.call_later(soon, self._act, pause_run, run, by, random.uniform(0.5, 10))

    def _act(self, action: Callable[..., Run], run: Run, by: User, resumed_after: float = 0.0) -> None:
        """Do what a person asks for; when the web process dies over it, the person asks again.

        Who has paused a run resumes it after so long.
        """
        try:
            if self.database_is_away:
                self._away()
            with self.loop.outside(), transaction.atomic():
                action(run=run, by=by)
            self.chance.struck[action.__name__] += 1
            self._resume_later(run, by, resumed_after)
            dispatch.send_advance(str(run.pk), run.priority)
        except Conflict:  # so it may be for who asks again without knowing that it was done
            self.chance.struck["asked in vain"] += 1
            self._resume_later(run, by, resumed_after)
        except (Crash, OperationalError):
            self.loop.call_later(1.0, self._act, action, run, by, resumed_after)

    def _resume_later(self, run: Run, by: User, seconds: float) -> None:
        if seconds:
            self.loop.call_later(seconds, self._act, resume_run, run, by)

    def tell_workers(self, message: Mapping[str, Any]) -> None:
        """Push a message to every worker, as Redis does."""
        for process in self.workers:
            process.later(self.chance.random.uniform(0.001, 0.3), process.runtime._hear, message)

    async def _beat(self, name: str) -> None:
        upkeep = self._upkeep(name)
        while True:
            await asyncio.sleep(1.0)
            if self.database_is_away:
                upkeep._guarded(self._away)
            if self.database_is_away or not self.has_upkeep:
                continue
            if self.chance.strikes("beat frozen", self.chance.odds.crash):
                await asyncio.sleep(self.chance.random.uniform(5, 15))
            try:
                self.chance.crash_at("beat")
                with self.loop.outside(), transaction.atomic():
                    upkeep.tick()
            except Exception as error:
                self.errors.append(error)
            except Crash:
                await asyncio.sleep(self.chance.random.uniform(0.5, 4))
                self._born += 1
                upkeep = self._upkeep(f"beat-{self._born}")

    def _away(self) -> None:
        raise OperationalError("The simulated database is away.")

    @staticmethod
    def _upkeep(name: str) -> Upkeep:
        upkeep = Upkeep()
        upkeep.name = name
        upkeep._next_housekeeping = float("inf")
        return upkeep

    async def _strike(self) -> None:
        """Strike with every fault of the script, at seeded moments."""
        odds, random = self.chance.odds, self.chance.random
        script: list[Callable[[], float]] = [
            *[self._kill] * odds.kills,
            *[self._freeze] * odds.freezes,
            *[self._stop] * odds.stops,
            *[self._flush] * odds.flushes,
            *[random.choice([self._broker_away, self._database_away]) for _ in range(odds.outages)],
        ]
        moments = sorted((random.uniform(0.5, FAULT_SECONDS), number) for number in range(len(script)))
        ends = FAULT_SECONDS
        for moment, number in moments:
            await asyncio.sleep(max(0.0, moment - self.loop.time()))
            ends = max(ends, self.loop.time() + script[number]())
        await asyncio.sleep(max(0.0, ends - self.loop.time()))
        self.chance.is_calm = True
        self.calm_at = self.loop.time()

    def _pick(self) -> WorkerProcess | None:
        return self.chance.random.choice(self.workers) if self.workers else None

    def _kill(self) -> float:
        if process := self._pick():
            self.chance.struck["kill"] += 1
            process.kill()
        return 0.0

    def _freeze(self) -> float:
        seconds = self.chance.random.uniform(*self.chance.odds.freeze_seconds)
        if process := self._pick():
            self.chance.struck["freeze"] += 1
            process.freeze(seconds)
        return seconds

    def _stop(self) -> float:
        if process := self._pick():
            self.chance.struck["stop"] += 1
            self.loop.create_task(process.stop())
        return 0.0

    def _flush(self) -> float:
        self.chance.struck["flush"] += 1
        self.broker.flush()
        return 0.0

    def _broker_away(self) -> float:
        return self._take_away("broker away", self.broker, "is_away")

    def _database_away(self) -> float:
        return self._take_away("database away", self, "database_is_away")

    def _take_away(self, what: str, target: Any, name: str) -> float:
        seconds = self.chance.random.uniform(2, 20)
        self.chance.struck[what] += 1
        setattr(target, name, True)
        self.loop.call_later(seconds, setattr, target, name, False)
        return seconds


def play(
    *,
    seed: int,
    odds: Odds,
    workflows: Sequence[Workflow],
    by: User,
    count: int,
    has_upkeep: bool = True,
    lease_seconds: float = 20.0,
) -> Story:
    """Run `count` runs through a world of this seed."""
    world = World(Chance(seed, odds), lease_seconds, has_upkeep=has_upkeep)
    standard_random.seed(seed)  # retries spread their delays with it
    with pytest.MonkeyPatch.context() as patch:
        _put_in_place(world, patch, seed)
        try:
            runs = world.loop.run_until_complete(world.live(workflows, by, count))
        finally:
            _end(world)
    work_seconds = min(60.0, 20.0 * odds.slowness)
    return Story(
        runs, world.loop.time(), world.calm_at, work_seconds, dict(world.chance.struck), world.errors
    )


def _put_in_place(world: World, patch: pytest.MonkeyPatch, seed: int) -> None:
    """Replace what surrounds the engine: the clock, the wire, the outside world. The engine itself stays."""
    flush = EventLog.flush

    def breakable(log: EventLog) -> None:
        world.chance.crash_at("inside the transaction")
        flush(log)

    clock = SimpleNamespace(monotonic=world.loop.time, perf_counter=world.loop.time)
    patch.setattr(timezone, "now", world.loop.now)
    patch.setattr(runtime, "time", clock)
    patch.setattr(runtime, "Recorder", MagicMock())  # each process has its own kind of both
    patch.setattr(runtime, "Sender", MagicMock())
    patch.setattr(live, "TextStreams", lambda: None)
    patch.setattr(live, "listen_for_workers", lambda _hear: lambda: None)
    patch.setattr(live, "broadcast", lambda _frames: world.chance.crash_at("after commit, before answer"))
    patch.setattr(live, "tell_workers", world.tell_workers)
    patch.setattr(EventLog, "flush", breakable)
    patch.setattr(dispatch, "publish", world.publish)
    patch.setattr(upkeeps, "time", clock)
    patch.setattr(upkeeps, "log", Complaints(world.errors))
    patch.setattr(upkeeps.signs, "is_late", world.broker.has_backlog)
    patch.setattr(upkeeps.signs, "has_forgotten", world.broker.has_forgotten)
    patch.setattr(upkeeps.signs, "send_probes", lambda: 0)
    for part in ("start_runs", "purge_runs"):
        patch.setattr(upkeeps, part, lambda: None)
    patch.setattr(passes, "MOST_LOSSES", 1000)
    patch.setattr(settings, "REDIS_URL", "")  # the limits of cost stand in the database
    patch.setattr(worker_context, "kind", scripted(seed, world.chance.odds.slowness))


class Complaints:
    """What the upkeep logs: an error that it gets over is one of the engine's all the same."""

    def __init__(self, errors: list[BaseException]) -> None:
        self.errors = errors

    def info(self, _event: str, **_: object) -> None:
        """Say nothing."""

    def warning(self, _event: str, **_: object) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OperationalError):
            self.errors.append(error)

    exception = warning


def _end(world: World) -> None:
    """Cancel what still hangs, in dead processes too."""
    world.is_over = True
    while pending := asyncio.all_tasks(world.loop):
        for task in pending:
            task.cancel()
        world.loop.run_until_complete(asyncio.sleep(0))
    world.loop.close()
