"""Calls to models as a worker makes them: through breaker and gate, again where that is safe, all of it noted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from apps.agents.balancing import METERS
from orchestra.engine.context import Postponed
from orchestra.errors import NodeFailure, RateLimited
from orchestra.llm.client import Chunk, Finish, ModelClient, ModelRequest, ModelTarget
from orchestra.llm.limits import Asking
from orchestra.llm.patience import retry_pause
from workers import telemetry
from workers.admission import Ticket, estimate
from workers.purse import Reservation
from workers.remembering import RememberingClient

if TYPE_CHECKING:
    from workers.context import WorkerContext

SHARE_OF_TIME = 0.5
"""Of the time that an attempt has: so long may one target be silent while there are others to turn to."""


class Entry(NamedTuple):
    """What a call that may begin holds."""

    ticket: Ticket
    is_probe: bool
    held: Reservation | None


class AdmittedClient:
    """A client whose every call goes through the connection's breaker and the account's gate.

    A call that has brought nothing yet is made again, as `orchestra.llm.patience` says.
    """

    def __init__(
        self, target: ModelTarget, context: WorkerContext, *, index: int = 0, count: int = 1
    ) -> None:
        self.target = target
        self.has_others = index < count - 1
        self.is_first = index == 0
        self.client: ModelClient = target.client
        self.context = context

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield the client's chunks once the call may begin. Raises Postponed, BreakerOpen, and as the client does."""
        request = self._with_patience(request)
        tried = 0
        while True:
            tried += 1
            call = _Call(self, await self._enter(request))
            try:
                async with aclosing(self.client.stream(request)) as chunks:  # type: ignore[type-var]  # clients yield from generators
                    async for chunk in chunks:
                        call.take(chunk)
                        yield chunk
                call.end()
                return
            except NodeFailure as error:
                pause = self._pause_after(error, call, tried)
                call.end(error, pause)
                if pause is None:
                    raise
            finally:
                call.leave()
            await asyncio.sleep(pause)

    def note(
        self,
        error: NodeFailure | None = None,
        seconds: float = 0.0,
        wait: float | None = None,
        *,
        is_cached: bool = False,
    ) -> None:
        """Note on the attempt what a call came to."""
        self.context.trail.note(
            connection=self.target.connection,
            model=self.target.model,
            status="ok" if error is None else error.code,
            seconds=seconds,
            message="" if error is None else error.message,
            wait=None if wait is None else round(wait, 3),
            why=self.target.why,
            is_cached=is_cached,
        )

    def _with_patience(self, request: ModelRequest) -> ModelRequest:
        if not self.has_others or request.timeout is None:
            return request
        return replace(request, idle=request.timeout * SHARE_OF_TIME)

    async def _enter(self, request: ModelRequest) -> Entry:
        context, target = self.context, self.target
        runtime, facts = context.runtime, context.claimed.facts
        asking = Asking(
            holder=runtime.name,
            team=facts.team,
            is_interactive=facts.is_interactive,
            tokens=estimate(request) if target.limits.tokens else 0,
        )
        is_fresh = not context.has_called and not context.node.effect
        is_probe = False
        held: Reservation | None = None
        try:
            held = await runtime.purse.reserve(context, target, request, may_lie_down=is_fresh)
            is_probe = await runtime.breakers.enter(
                target,
                may_lie_down=is_fresh and not self.has_others,
                must_wait=self.is_first and not self.has_others,
            )
            ticket = await runtime.gate.enter(
                target, asking, may_lie_down=is_fresh, has_others=self.has_others
            )
        except BaseException as error:
            runtime.purse.settle(held, has_begun=False)
            runtime.breakers.note(target, error, is_probe=is_probe, is_ended=False)
            if isinstance(error, NodeFailure) and not isinstance(error, Postponed):
                self.note(error)
            raise
        context.has_called = True
        return Entry(ticket, is_probe, held)

    def _pause_after(self, error: NodeFailure, call: _Call, tried: int) -> float | None:
        """Return the seconds before the call is made again, None when it is not."""
        if isinstance(error, RateLimited) and error.retry_after:
            self.context.runtime.gate.pause(self.target, error.retry_after)
        if call.has_begun:
            return None
        return retry_pause(
            error, self.target.patience, tried=tried, has_others=self.has_others, random=random.random
        )


class _Call:
    """One call under way: what has to be given back and told when it is over, however it ends."""

    def __init__(self, client: AdmittedClient, entered: Entry) -> None:
        self._client = client
        self._ticket, self._is_probe, self._held = entered
        self._began = time.monotonic()
        self._tokens: int | None = None
        self._error: NodeFailure | None = None
        self._is_ended = False
        self._span = telemetry.call_span(client.target)
        METERS.begin(client.target.places)
        self.has_begun = False

    def take(self, chunk: Chunk) -> None:
        if not self.has_begun:
            self.has_begun = True
            METERS.measure(self._client.target.places, time.monotonic() - self._began)
        if self._held is not None:
            self._held.take(chunk)
        if isinstance(chunk, Finish):
            self._tokens = chunk.input_tokens + chunk.output_tokens
            telemetry.note_answer(self._span, chunk)
            self._is_ended = True

    def end(self, error: NodeFailure | None = None, wait: float | None = None) -> None:
        self._error, self._is_ended = error, True
        if error is not None:
            self._span.fail(error.code)
            METERS.measure(self._client.target.places, time.monotonic() - self._began, has_failed=True)
            self._client.note(error, time.monotonic() - self._began, wait)

    def leave(self) -> None:
        """Give back the place at the gate, and tell the breaker; a reader that leaves after the end has had it all."""
        self._span.end()
        METERS.end(self._client.target.places)
        runtime = self._client.context.runtime
        runtime.gate.leave(self._ticket, self._tokens)
        runtime.purse.settle(self._held, has_begun=self.has_begun)
        runtime.breakers.note(
            self._client.target, self._error, is_probe=self._is_probe, is_ended=self._is_ended
        )
        if self._is_ended and self._error is None:
            self._client.note(seconds=time.monotonic() - self._began)


def admitted(targets: Sequence[ModelTarget], context: WorkerContext) -> list[ModelTarget]:
    """Return targets whose calls go through breaker and gate, and before that to the cache where there is one."""
    found = []
    for index, target in enumerate(targets):
        context.runtime.breakers.learn(target)
        client = AdmittedClient(target, context, index=index, count=len(targets))
        found.append(replace(target, client=RememberingClient(client) if target.cache_seconds else client))
    return found
