"""Admission: a call to a model begins when the limits of its account allow it, whichever worker makes it.

The state of an account is one JSON text in Redis, changed by compare-and-set, or a row in the database where there is
no Redis. Its rules are `orchestra.llm.limits`. A node that has to wait for longer than a moment is laid down as a row;
one that has begun its work waits where it is. While the store is away the limits hold for each process alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import redis.asyncio as redis
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from apps.runs import live
from apps.runs.actions.admission import Change, change_admission
from orchestra.engine.context import Postponed
from orchestra.errors import RateLimited
from orchestra.llm import limits as rules
from orchestra.llm.client import ModelRequest, ModelTarget
from orchestra.llm.limits import Asking, Limits, Verdict
from orchestra.llm.tokens import count_tokens
from workers import telemetry

if TYPE_CHECKING:
    from workers.runtime import Runtime

log = structlog.get_logger(__name__)

T = TypeVar("T")

MOMENT = 1.0
"""Seconds for which an attempt may wait in its slot."""
KEPT_SECONDS = 3600
RENEWED_EVERY = 20.0
TRIES = 200
ANSWER_TOKENS = 500
"""What an answer is taken to need when the node sets no bound."""
LONGEST_PAUSE = 600.0
SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call that was let in."""

    account: str
    limits: Limits
    asking: Asking
    began: int
    """Milliseconds of the process's own clock."""


class Gate:
    """What a process knows of the limits; belongs to its event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.pauses: dict[str, float] = {}
        """Until when (`time.monotonic`) a provider wants no calls to an account."""
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._own: dict[str, rules.State] = defaultdict(dict)
        self._held: dict[str, int] = defaultdict(int)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_renewing = False

    async def enter(
        self, target: ModelTarget, asking: Asking, *, may_lie_down: bool, has_others: bool = False
    ) -> Ticket:
        """Return when a call may begin. Raises Postponed when that takes longer than a moment and nothing is begun.

        With other targets to turn to it does not wait for a provider that asked for a pause: it raises RateLimited.
        """
        waited = 0.0
        while True:
            verdict = await self._ask(target, asking)
            if not verdict.limit:
                return Ticket(target.account, target.limits, asking, _now())
            seconds = verdict.wait / 1000
            if has_others and verdict.limit == "provider":
                raise RateLimited(retry_after=seconds)
            if may_lie_down and waited + seconds > MOMENT:
                telemetry.POSTPONED.labels(verdict.limit).inc()
                raise Postponed(f"{verdict.limit}:{target.connection}", seconds)
            waited += seconds
            await asyncio.sleep(seconds)

    def leave(self, ticket: Ticket, tokens: int | None) -> None:
        """Count a call off, soon: who ends it need not wait, and may be cancelled."""
        if not ticket.limits.is_any:
            return
        self._held[ticket.account] -= 1
        spent = _now() - ticket.began

        def change(state: rules.State, now: int) -> None:
            rules.release(state, ticket.limits, ticket.asking, now, began=now - spent, tokens=tokens)

        self._soon(self.change(ticket.account, change))

    def pause(self, target: ModelTarget, seconds: float) -> None:
        """Let nobody call an account for so long: not here, and soon not in any other process."""
        seconds = min(seconds, LONGEST_PAUSE)
        self.hear_pause(target.account, seconds)
        message = {"pause": target.account, "seconds": seconds}
        self._soon(asyncio.to_thread(live.tell_workers, message))
        if target.limits.is_any:
            self._soon(self.change(target.account, partial(_pause, seconds)))

    def hear_pause(self, account: str, seconds: float) -> None:
        """Note a pause that this or another process was asked for."""
        self.pauses[account] = max(self.pauses.get(account, 0.0), time.monotonic() + seconds)

    async def _ask(self, target: ModelTarget, asking: Asking) -> Verdict:
        left = self.pauses.get(target.account, 0.0) - time.monotonic()
        if left > 0:
            return Verdict("provider", max(1, int(1000 * left * random.uniform(1.0, 1.1))))  # noqa: S311  (spreads who comes back)
        self.pauses.pop(target.account, None)
        if not target.limits.is_any:
            return rules.GO
        verdict = await self.change(
            target.account, lambda state, now: rules.admit(state, target.limits, asking, now)
        )
        if not verdict.limit:
            self._held[target.account] += 1
            self._keep_renewing()
        return verdict

    # The store -------------------------------------------------------------------------------
    async def change(self, account: str, change: Change[T]) -> T:
        """Let `change` work on the state that all workers share under a name; return what it returns."""
        async with self._locks[account]:
            try:
                if settings.REDIS_URL:
                    return await self._change_in_redis(account, change)
                return await asyncio.wrap_future(
                    self.runtime.recorder.call(lambda: change_admission(account, change))
                )
            except (RedisError, OSError, DatabaseError) as error:
                log.warning("limits_away", error=type(error).__name__)
                return change(self._own[account], _now())

    async def _change_in_redis(self, account: str, change: Change[T]) -> T:
        key = f"orchestra:limits:{account}"
        for _ in range(TRIES):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(key)
                pipe.time()
                raw, (seconds, micros) = await pipe.execute()
            before = raw.decode() if raw else ""
            state = json.loads(before or "{}")
            answer = change(state, seconds * 1000 + micros // 1000)
            if await self._swap(keys=[key], args=[before, json.dumps(state), KEPT_SECONDS]):
                return answer
            await asyncio.sleep(random.uniform(0, 0.01))  # noqa: S311  (spreads who comes back)
        raise RedisError("The limits changed too fast.")

    @cached_property
    def _redis(self) -> Any:
        return redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2, max_connections=100
        )

    @cached_property
    def _swap(self) -> Any:
        return self._redis.register_script(SWAP)

    # In the background -----------------------------------------------------------------------
    def _keep_renewing(self) -> None:
        if not self._is_renewing:
            self._is_renewing = True
            self._soon(self._renew())

    async def _renew(self) -> None:
        """Say that this process is alive, for as long as it makes calls that are counted."""
        try:
            while any(count > 0 for count in self._held.values()):
                await asyncio.sleep(RENEWED_EVERY)
                for account in [account for account, count in self._held.items() if count > 0]:
                    await self.change(account, lambda state, now: rules.keep(state, self.runtime.name, now))
        finally:
            self._is_renewing = False

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self.runtime.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def estimate(request: ModelRequest) -> int:
    """Return about how many tokens a call takes, question and answer."""
    return tokens_in(request) + (request.max_tokens or ANSWER_TOKENS)


def tokens_in(request: ModelRequest) -> int:
    """Return about how many tokens a question has."""
    return sum(count_tokens(one.content) for one in request.messages)


def _pause(seconds: float, state: rules.State, now: int) -> None:
    rules.pause(state, now, seconds)


def _now() -> int:
    return int(time.monotonic() * 1000)
