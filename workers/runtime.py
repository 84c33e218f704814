"""One worker process at work: claim, run, record, go on; and stop at once when told to.

All pools share it. Node kinds are coroutines on the process's event loop; the database is the recorder's thread; the
broker is the sender's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from django.conf import settings
from greenlet import getcurrent

from apps.runs import live
from apps.runs.actions.operations import Advance, Applied, Claim, Claimed, Feed, Operation
from apps.tools.sessions import close_sessions
from orchestra.engine.attempt import attempt
from orchestra.engine.outcome import Done, Failed, Outcome
from orchestra.engine.plan import split_path
from orchestra.ids import new_id
from orchestra.llm.breaker import Circuit
from orchestra.net import close_shared
from workers import telemetry
from workers.admission import Gate
from workers.breakers import Breakers
from workers.context import WorkerContext
from workers.pace import Pace
from workers.pool import LoopGreenlet, present
from workers.purse import Purse
from workers.recorder import Recorder
from workers.sender import Sender
from workers.stretch import Ended, Stretch

log = structlog.get_logger(__name__)

SHORT_BACK_OFF = 3.0
"""Seconds; up to here a worker sleeps before the next attempt itself, above it the node run waits as a row."""

FEED_SECONDS = 2.0
"""After so long a feeder of a queue without an event loop makes room for others."""

MOMENT = 0.002
"""Seconds that a feeder waits for others to end with the first: one commit then takes all of their places again."""

WIDENING = 8

CLOSE_SECONDS = 5.0
"""What the connections to providers get to close."""

T = TypeVar("T")


class Runtime:
    """Everything a worker process has once: loop, recorder, sender, text streams, the tasks that it runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}-{new_id().hex[-6:]}"
        self.loop = loop
        self.sender = Sender()
        self.recorder = Recorder(self.name, self.sender.send, self.sender.advance)
        self.pace = Pace()
        self.texts = live.TextStreams()
        self.gate = Gate(self)
        self.purse = Purse(self)
        self.breakers = Breakers(self)
        self.slots = asyncio.Semaphore(settings.ORCHESTRA_LLM_SLOTS)
        self.running: dict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._late: set[asyncio.Task[Any]] = set()
        self._asked: dict[str, list[asyncio.Future[Any]]] = {}
        """What the recorder is about to read, by key."""
        self.is_stopping = False
        self._stop_listening = live.listen_for_workers(self._hear)

    # What tasks call -------------------------------------------------------------------------
    async def advance(self, run: str, raised_to: int | None = None) -> None:
        """Send out whatever of a run is queued."""
        await self.commit(Advance(run, raised_to))

    async def run_segment(
        self, run: str, path: str, epoch: int, *, queue: str, follows: bool, trace: str = ""
    ) -> None:
        """Run a segment from the node run at `path` on, and whatever this process keeps of what becomes ready.

        `trace` is the traceparent that the message brought.
        """
        with telemetry.SEGMENT_SECONDS.labels(queue).time(), telemetry.segment_span(run, queue, trace):
            applied = await self.commit(Claim(run, path, epoch))
            await self._run_all(applied, queue, follows)

    async def feed(
        self, run: str, queue: str, epoch: int, *, width: int, until: float | None = None, trace: str = ""
    ) -> None:
        """Feed in a span of its own, `trace` being the traceparent that the message brought."""
        with telemetry.segment_span(run, queue, trace):
            await self._feed(run, queue, epoch, width=width, until=until, trace=trace)

    async def _feed(
        self, run: str, queue: str, epoch: int, *, width: int, until: float | None, trace: str
    ) -> None:
        """Take queued node runs of one queue, at most `width` at once, until none is left (or time is up).

        What ends within moments is taken in ever larger helpings, so that it does not cost a commit each.
        """
        active: set[asyncio.Task[None]] = set()
        most, priority = width * WIDENING, 0
        while not self.is_stopping:
            began = time.monotonic()
            applied = await self.commit(Feed(run, queue, epoch, width - len(active)))
            active |= {
                self.loop.create_task(self._run_one(claimed, queue, False)) for claimed in applied.claimed
            }
            if not active:
                break
            priority = max([priority, *(claimed.facts.priority for claimed in applied.claimed)])
            _done, active = await asyncio.wait(active, return_when=asyncio.FIRST_COMPLETED)
            if active:
                _done, active = await asyncio.wait(active, timeout=MOMENT)
            if not active and time.monotonic() - began < MOMENT * width:
                width = min(width * 2, most)
            if until is not None and time.monotonic() > until:
                await asyncio.gather(*active)
                self.sender.feed(run, queue, epoch, priority, trace)
                break

    def close(self) -> None:
        """End the threads of this process; what was submitted is committed and sent first."""
        self._stop_listening()
        self.recorder.close()
        self.sender.close()
        self.texts.close()
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(close_sessions(), self.loop).result(CLOSE_SECONDS)
            asyncio.run_coroutine_threadsafe(close_shared(), self.loop).result(CLOSE_SECONDS)

    def finish_later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have something brought to its end without anybody waiting for it."""
        task = self.loop.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def hand_back_all(self, grace: float) -> None:
        """Let running nodes end within `grace` seconds; stop the others and queue them for other workers."""
        self.is_stopping = True
        active = [task for tasks in self.running.values() for task in tasks]
        if active:
            _done, late = await asyncio.wait(active, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._late:
            await asyncio.wait(self._late, timeout=grace)

    # The engine's turn -----------------------------------------------------------------------
    async def _run_all(self, applied: Applied, queue: str, follows: bool) -> None:
        first, *others = applied.claimed or [None]
        tasks = [self.loop.create_task(self._run_one(claimed, queue, False)) for claimed in others if claimed]
        if first is not None:
            await self._run_one(first, queue, follows)
        if tasks:
            await asyncio.gather(*tasks)

    async def _run_one(self, claimed: Claimed, queue: str, follows: bool) -> None:
        """Run a node and what this process goes on with, as one loop (a chain of thousands needs no deep stack)."""
        pending: list[asyncio.Task[None]] = []
        current: Claimed | None = claimed
        while current is not None:
            ended = await Stretch(self, current, queue, follows=follows).run()
            pending.extend(ended.retries)
            applied = await self._try_again(ended) or ended.applied
            current = None
            for index, following in enumerate(applied.claimed):
                if index == 0:
                    current = following
                    follows = follows and _is_same_segment(ended.claimed, following)
                else:
                    pending.append(self.loop.create_task(self._run_one(following, queue, False)))
        if pending:
            await asyncio.gather(*pending)

    async def run_again(self, ended: Ended, queue: str) -> None:
        """Run a node again that failed in the midst of a stretch, and what follows it, after a short back-off."""
        applied = await self._try_again(ended)
        if applied is not None:
            await self._run_all(applied, queue, follows=False)

    async def _try_again(self, ended: Ended) -> Applied | None:
        """After a short back-off claim a node again that is to be attempted again; None when that is not so."""
        delay = ended.outcome.retry_after if isinstance(ended.outcome, Failed) else None
        if delay is None or delay > SHORT_BACK_OFF or not ended.applied.is_accepted:
            return None
        await asyncio.sleep(delay)
        claimed = ended.claimed
        fence = ended.hold.fences[claimed.path]
        return await self.commit(Claim(claimed.facts.run, claimed.path, claimed.epoch, fence))

    async def attempt(self, claimed: Claimed, context: WorkerContext, *, is_quick: bool) -> Outcome | None:
        """Make one attempt; None when it was stopped. What is known to be quick is not worth a task of its own."""
        has_edge = claimed.node.id in claimed.plan.handles_errors
        started = time.perf_counter()
        context.is_quick = is_quick
        with telemetry.attempt_span(claimed) as span:
            work = attempt(context, has_error_edge=has_edge, run=context.run_kind)
            outcome = await work if is_quick else await self._as_task(claimed, context, work)
            telemetry.note_end(span, outcome)
        seconds = time.perf_counter() - started
        telemetry.NODE_SECONDS.labels(claimed.node.kind).observe(seconds)
        if isinstance(outcome, (Done, Failed)) and (calls := context.trail.as_json()):
            outcome = replace(outcome, calls=calls)
        if outcome is not None:
            self.pace.note(claimed.facts.version, claimed.node, context.busy_seconds)
            telemetry.note_outcome(claimed.node.kind, outcome)
        return outcome

    async def _as_task(
        self, claimed: Claimed, context: WorkerContext, work: Coroutine[Any, Any, Outcome]
    ) -> Outcome | None:
        """Run an attempt as a task that a cancel can stop, in one of the process's slots."""
        run = claimed.facts.run
        async with self.slots:
            task = self.loop.create_task(work)
            self.running[run].add(task)
            telemetry.BUSY.inc()
            try:
                return await task
            except asyncio.CancelledError:
                if not task.cancelled():
                    raise
                return None
            finally:
                telemetry.BUSY.dec()
                self._forget(run, task)
                if context.has_text:
                    self.texts.end(run, claimed.path, claimed.attempt)

    def _forget(self, run: str, task: asyncio.Task[Any]) -> None:
        self.running[run].discard(task)
        if not self.running[run]:
            del self.running[run]

    async def in_database(
        self, work: Callable[[], T], key: str = "", is_for_all: Callable[[T], bool] = lambda _answer: True
    ) -> T:
        """Call a short database read on the recorder's thread; questions with the same key that wait share one.

        An answer that is not for all is its asker's alone; the others then ask for themselves.
        """
        if not key:
            return await asyncio.wrap_future(self.recorder.call(work))
        asked = self._asked.get(key)
        is_shared = asked is not None
        if asked is None:
            asked = self._asked[key] = []

            def begin() -> T:
                del self._asked[key]  # who asks from now on wants to know what is true then
                return work()

            asked.append(asyncio.wrap_future(self.recorder.call(begin)))
        answer: T = await asyncio.shield(asked[0])
        if is_shared and not is_for_all(answer):
            return await asyncio.wrap_future(self.recorder.call(work))
        return answer

    async def commit(self, operation: Operation) -> Applied:
        return await asyncio.wrap_future(self.recorder.submit(operation))

    # The control push ------------------------------------------------------------------------
    def _hear(self, message: Mapping[str, Any]) -> None:
        run = message.get("cancel")
        if isinstance(run, str):
            self.stop(run)
        if isinstance(account := message.get("pause"), str):
            self.loop.call_soon_threadsafe(self.gate.hear_pause, account, float(message["seconds"]))
        if isinstance(connection := message.get("breaker"), str):
            circuit = Circuit(str(message["state"]), (), int(message["until"]))
            self.loop.call_soon_threadsafe(self.breakers.hear, connection, circuit)

    def stop(self, run: str) -> None:
        """Stop what this process runs for a run that has ended; from any thread."""
        self.loop.call_soon_threadsafe(self._cancel, run)

    def _cancel(self, run: str) -> None:
        for task in list(self.running.get(run, ())):
            task.cancel()


def _is_same_segment(ended: Claimed, following: Claimed) -> bool:
    """Say whether the message that brought one node also brings the next: only then does its canvas go on there."""
    same_graph = split_path(ended.path)[0] == split_path(following.path)[0]
    return same_graph and ended.node.segment == following.node.segment


class _Process:
    """The runtime of this process, made on first use; prefork children make their own."""

    def __init__(self) -> None:
        self.pid = 0
        self.runtime: Runtime | None = None
        self.lock = threading.Lock()
        self.lease: Callable[[Runtime], Callable[[], None]] | None = None
        self.release: Callable[[], None] | None = None

    def get(self) -> Runtime:
        with self.lock:
            if self.runtime is None or self.pid != os.getpid():
                self.runtime = Runtime(_loop_in_thread())
                self.pid = os.getpid()
                self.release = self.lease(self.runtime) if self.lease else None
            return self.runtime

    def close(self) -> None:
        with self.lock:
            if self.runtime is not None and self.pid == os.getpid():
                self.runtime.close()
                self.runtime.loop.call_soon_threadsafe(self.runtime.loop.stop)
                if self.release is not None:
                    self.release()
            self.runtime = None


def _loop_in_thread() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="loop", daemon=True).start()
    return loop


_process = _Process()


def current() -> Runtime:
    """Return this process's runtime."""
    return _process.get()


def lease_with(take: Callable[[Runtime], Callable[[], None]]) -> None:
    """Have `take` called with each new runtime before it claims anything; what it returns gives the lease up."""
    _process.lease = take


def close() -> None:
    """End this process's runtime; what was submitted is committed and sent first."""
    _process.close()


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for a coroutine on the runtime's loop from inside a task, in whichever pool that runs."""
    tracer = getcurrent()
    if isinstance(tracer, LoopGreenlet):
        return tracer.parent.switch(coroutine)  # type: ignore[no-any-return]  # greenlet is untyped
    return asyncio.run_coroutine_threadsafe(coroutine, current().loop).result()


def in_database(function: Callable[[], T]) -> T:
    """Run a short database call from Celery's own code, wherever that runs: never on the loop's thread."""
    if isinstance(getcurrent(), LoopGreenlet):
        return wait(_called(function))
    return function()


async def _called(function: Callable[[], T]) -> T:
    answer: T = await asyncio.wrap_future(current().recorder.call(function))
    return answer


present(current, close)
