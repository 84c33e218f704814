"""Circuit breakers as a worker process sees them: closed ones cost a look into a dictionary, failures are reported.

The rows are the truth (`apps.agents.actions.breakers`). A process learns their state from the rows that it reads to
choose its targets, from what it reports itself, and from what other processes tell; in doubt it asks. While the
database is away calls are let through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from django.db import Error as DatabaseError

from apps.agents.actions import breakers as rows
from apps.runs import live
from orchestra.engine.context import Postponed
from orchestra.errors import BreakerOpen, ModelTimeout, ModelUnavailable, NodeFailure
from orchestra.llm.breaker import CLOSED, BreakerRules, Circuit, Permit
from orchestra.llm.client import ModelTarget
from workers import telemetry

if TYPE_CHECKING:
    from workers.runtime import Runtime

log = structlog.get_logger(__name__)

T = TypeVar("T")

MOMENT = 1.0
"""Seconds for which a call may wait for a probe's outcome in its slot although its attempt could wait as a row."""


@dataclass(slots=True)
class _Tally:
    """Calls of this process that have ended and are not reported yet; successes of the present window only."""

    window: int = 0
    succeeded: int = 0
    failed: int = 0
    reason: str = ""
    is_reporting: bool = False


class Breakers:
    """What a process knows of the breakers; belongs to its event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._known: dict[str, Circuit] = {}
        """Those that are not closed."""
        self._tallies: dict[str, _Tally] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def hear(self, connection: str, circuit: Circuit) -> None:
        """Note the state of a breaker that this or another process has seen."""
        if circuit.state == CLOSED:
            self._known.pop(connection, None)
        else:
            self._known[connection] = circuit

    def learn(self, target: ModelTarget) -> None:
        """Note the state that was read together with a target."""
        if target.breaker is not None:
            self.hear(target.connection_id, target.circuit or Circuit())

    async def enter(self, target: ModelTarget, *, may_lie_down: bool, must_wait: bool) -> bool:
        """Return when a call may be made; True when it is the probe.

        Raises Postponed while it is open and nothing is begun, otherwise BreakerOpen unless it has to wait here.
        """
        while target.connection_id in self._known and target.breaker is not None:
            permit = await self._permit(target)
            if permit.is_free:
                return permit.is_probe
            seconds = permit.wait / 1000
            telemetry.BREAKER_REFUSED.inc()
            if may_lie_down and seconds > MOMENT:
                raise Postponed(f"breaker:{target.connection}", seconds)
            if not may_lie_down and not must_wait:
                raise BreakerOpen(f"The circuit breaker of {target.connection} is open.", retry_after=seconds)
            await asyncio.sleep(seconds)
        return False

    def note(
        self, target: ModelTarget, error: BaseException | None, *, is_probe: bool, is_ended: bool
    ) -> None:
        """Take the outcome of a call: `error` is what it raised; `is_ended` is false when its caller stopped it."""
        rules = target.breaker
        if rules is None:
            return
        has_failed = is_failure(error)
        if is_probe:
            is_ok = None if not is_ended else not has_failed
            self._soon(self._end_probe(target, rules, is_ok, str(error or "")))
            return
        if not is_ended or (error is not None and not has_failed and not isinstance(error, NodeFailure)):
            return
        tally = self._tallies.setdefault(target.connection_id, _Tally())
        window = int(time.monotonic() / rules.window_seconds)
        if window != tally.window:
            tally.window, tally.succeeded = window, 0
        if not has_failed:
            tally.succeeded += 1
            return
        tally.failed += 1
        tally.reason = str(error)
        if not tally.is_reporting:
            tally.is_reporting = True
            self._soon(self._report(target, rules, tally))

    async def settled(self) -> None:
        """Return when everything that is known so far has been reported."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    # The rows ----------------------------------------------------------------------------------
    async def _permit(self, target: ModelTarget) -> Permit:
        known = self._known[target.connection_id]
        left = known.until - int(time.time() * 1000)
        if left > 0 and known.state != CLOSED:
            return Permit(is_free=False, wait=left)
        permit, circuit = await self._in_database(
            partial(rows.ask_permit, connection_id=target.connection_id, by=self.runtime.name),
            (Permit(), Circuit()),
        )
        self._tell(target.connection_id, circuit)
        return permit

    async def _report(self, target: ModelTarget, rules: BreakerRules, tally: _Tally) -> None:
        """Report what has gathered, until there is nothing more: failures that come together are one write."""
        try:
            while tally.failed:
                succeeded, failed = tally.succeeded, tally.failed
                tally.succeeded = tally.failed = 0
                work = partial(
                    rows.report_calls,
                    connection_id=target.connection_id,
                    rules=rules,
                    succeeded=succeeded,
                    failed=failed,
                    reason=tally.reason,
                    by=self.runtime.name,
                )
                self._tell(target.connection_id, await self._in_database(work, Circuit()))
        finally:
            tally.is_reporting = False

    async def _end_probe(
        self, target: ModelTarget, rules: BreakerRules, is_ok: bool | None, reason: str
    ) -> None:
        work = partial(
            rows.end_probe,
            connection_id=target.connection_id,
            rules=rules,
            is_ok=is_ok,
            reason=reason,
            by=self.runtime.name,
        )
        self._tell(target.connection_id, await self._in_database(work, Circuit()))

    def _tell(self, connection: str, circuit: Circuit) -> None:
        """Note a breaker's state, and tell the other processes when it is news."""
        before = self._known.get(connection, Circuit())
        self.hear(connection, circuit)
        if (before.state, before.until) != (circuit.state, circuit.until):
            message = {"breaker": connection, "state": circuit.state, "until": circuit.until}
            self._soon(asyncio.to_thread(live.tell_workers, message))
            if circuit.state != before.state:
                telemetry.BREAKER_CHANGES.labels(circuit.state).inc()
                log.warning("breaker", connection=connection, state=circuit.state)

    async def _in_database(self, work: Callable[[], T], otherwise: T) -> T:
        try:
            found: T = await asyncio.wrap_future(self.runtime.recorder.call(work))
        except DatabaseError as error:
            log.warning("breakers_away", error=type(error).__name__)
            return otherwise
        return found

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self.runtime.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def is_failure(error: BaseException | None) -> bool:
    """Say whether an error speaks against the provider: it is away, silent or broken. A refusal is an answer."""
    return isinstance(error, (ModelUnavailable, ModelTimeout)) and not isinstance(error, BreakerOpen)
