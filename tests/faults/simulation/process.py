"""Simulated worker processes: the real runtime and the real lease, on a recorder and a sender that can die."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from django.db import OperationalError

from apps.runs.actions.doubt import Doubt
from apps.runs.actions.facts import FactBook
from apps.runs.actions.operations import Applied, Dispatch, Operation
from orchestra.celery import ADVANCE, FEED, RUN_SEGMENT, BrokerAway
from tests.faults.simulation.broker import Message
from tests.faults.simulation.chance import Crash
from workers import canvas, runtime, tasks
from workers.lease import Lease

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

LARGEST_GROUP = 64
RETRY_SECONDS = 0.5


class SimulatedRecorder:
    """Group commit as in `workers.recorder`, with the ways in which it can break off."""

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.world = process.world
        self.book = FactBook()
        self._pending: list[tuple[Operation, Future[Applied]]] = []
        self._is_due = False

    def submit(self, operation: Operation) -> Future[Applied]:
        future: Future[Applied] = Future()
        self.world.asked.append(future)
        if self.world.is_over:
            future.cancel()
            return future
        self._pending.append((operation, future))
        if not self._is_due:
            self._is_due = True
            self.process.later(self.world.chance.random.uniform(0.0, 0.1), self._flush)
        return future

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if self.world.database_is_away:
            future.set_exception(OperationalError("The simulated database is away."))
            return future
        with self.world.loop.outside():
            future.set_result(function())
        return future

    def _flush(self) -> None:
        group, self._pending = self._pending[:LARGEST_GROUP], self._pending[LARGEST_GROUP:]
        self._commit(group, Doubt())

    def _commit(self, group: list[tuple[Operation, Future[Applied]]], doubt: Doubt) -> None:
        """Commit a group, again until the database is back; what is submitted meanwhile waits its turn."""
        chance = self.world.chance
        try:
            chance.crash_at("before commit")
            answers = self.world.commit(
                [operation for operation, _ in group], self.process.name, self.book, doubt
            )
            if chance.strikes("answer lost", chance.odds.answer_lost):
                raise OperationalError("The connection was lost after the commit.")
        except OperationalError:
            self.process.later(RETRY_SECONDS, self._commit, group, doubt)
            return
        self.process.later(chance.random.uniform(0.0, 0.005), self._answer, group, answers)
        self._is_due = bool(self._pending)
        if self._is_due:
            self.process.later(0.006, self._flush)

    def _answer(self, group: list[tuple[Operation, Future[Applied]]], answers: Sequence[Applied]) -> None:
        self.world.chance.crash_at("after commit, before send")
        for (_operation, future), answer in zip(group, answers, strict=True):
            future.set_result(answer)
            if answer.dispatch is not None:
                self.process.runtime.sender.send(answer.dispatch)


class SimulatedSender:
    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.world = process.world

    def send(self, dispatch: Dispatch) -> None:
        self.process.later(self.world.chance.random.uniform(0.0, 0.005), self._send, dispatch)

    def feed(self, run: str, source: str, epoch: int, _priority: int, _trace: str = "") -> None:
        arguments = {"run": run, "source": source, "epoch": epoch}
        self.process.later(0.001, self._try, lambda: self.world.broker.put(FEED, source, arguments))

    def _send(self, dispatch: Dispatch) -> None:
        for signature in canvas.lower(dispatch):
            self.world.chance.crash_at("between two messages")
            self._try(lambda sent=signature: self.world.broker.send(sent))

    def _try(self, send: Callable[[], None]) -> None:
        try:
            send()
        except BrokerAway:
            self.world.chance.struck["broker away"] += 1


class WorkerProcess:
    """One worker: takes messages, runs them on a real `Runtime`; may be killed, frozen, or asked to stop."""

    def __init__(self, world: World, name: str, queues: Sequence[str], slots: int) -> None:
        self.world = world
        self.name = name
        self.queues = queues
        self.slots = slots
        self.is_alive = True
        self.is_stopping = False
        self.frozen_until = 0.0
        self.messages: dict[int, Message] = {}
        self._turns = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.runtime = runtime.Runtime(world.loop)
        self.runtime.name = name
        self.runtime.recorder = SimulatedRecorder(self)
        self.runtime.sender = SimulatedSender(self)
        self.lease = Lease(self.runtime, queues=",".join(queues), pool="simulated", slots=slots)
        self._renew()

    # Its own time ----------------------------------------------------------------------------
    def later(self, delay: float, action: Callable[..., None], *arguments: Any) -> None:
        """Do something of this process later: after a thaw when it is frozen, never when it has died."""
        self.world.loop.call_later(delay, self._act, action, arguments)

    def _act(self, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if not self.is_alive or self.world.is_over:
            return
        if self.frozen_until > self.world.loop.time():
            self.world.loop.call_at(self.frozen_until + 0.001, self._act, action, arguments)
            return
        try:
            action(*arguments)
        except Crash:
            self.kill()
        except Exception as error:
            self.world.errors.append(error)
            self.kill()

    async def awake(self) -> None:
        """Return when this process is not frozen; never when it has died."""
        while self.frozen_until > self.world.loop.time():  # noqa: ASYNC110  (time is virtual)
            await asyncio.sleep(self.frozen_until - self.world.loop.time() + 0.001)
        if not self.is_alive:
            await self.world.never

    def _renew(self) -> None:
        if not self.world.database_is_away:
            with self.world.loop.outside():
                self.lease._renew()
        self.later(self.world.lease_seconds / 4, self._renew)

    # Messages --------------------------------------------------------------------------------
    def take(self) -> None:
        """Take as many messages as there are free slots."""
        is_up = self.is_alive and not self.is_stopping and self.frozen_until <= self.world.loop.time()
        while is_up and len(self.messages) < self.slots:
            message = self.world.broker.take(self.queues)
            if message is None:
                return
            self._turns += 1
            self.messages[self._turns] = message
            self._start(self._handle(self._turns, message))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.world.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self.world.is_over and not task.cancelled() and (error := task.exception()) is not None:
            self.world.errors.append(error)

    async def _handle(self, turn: int, message: Message) -> None:
        await self._run(message)
        await self.awake()
        del self.messages[turn]
        try:
            self.world.chance.crash_at("before the canvas goes on")
            self.world.broker.follow(message)
        except Crash:
            self.kill()
        except BrokerAway:
            self.world.chance.struck["broker away"] += 1
        self.world.broker.wake()

    async def _run(self, message: Message) -> None:
        given = message.arguments
        if message.name == ADVANCE:
            await self.runtime.advance(given["run"])
        elif message.name == RUN_SEGMENT:
            await self.runtime.run_segment(**given, queue=message.queue, follows=bool(message.then))
        elif message.name == FEED:
            await self._feed(message.queue, given)

    async def _feed(self, queue: str, given: dict[str, Any]) -> None:
        place = (given["run"], given["source"], given["epoch"])
        if queue == "cpu":
            until = self.world.loop.time() + runtime.FEED_SECONDS
            await self.runtime.feed(*place, width=tasks.CPU_WIDTH, until=until)
        else:
            await self.runtime.feed(*place, width=tasks.LOOP_WIDTH)

    # Its end ---------------------------------------------------------------------------------
    def kill(self) -> None:
        """End it as kill -9 does; some of what it held is delivered again, some is lost."""
        if not self.is_alive:
            return
        self.is_alive = False
        for message in self.messages.values():
            if self.world.chance.random.random() < 0.3:
                self.world.broker.again(message)
        self.messages.clear()
        self.world.died(self)

    def freeze(self, seconds: float) -> None:
        self.frozen_until = self.world.loop.time() + seconds
        self.world.loop.call_later(seconds + 0.002, self.take)

    async def stop(self, grace: float = 1.0) -> None:
        """End it as SIGTERM does: let nodes end, hand the others back, give the lease up."""
        self.is_stopping = True
        await self.runtime.hand_back_all(grace)
        await self.awake()
        await asyncio.sleep(0.1)
        if not self.world.database_is_away:
            self.world.give_up_lease(self.name)
        self.kill()
