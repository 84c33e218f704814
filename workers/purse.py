"""The limit of cost of a run as a worker process keeps it: no call begins that its other calls may leave nothing for.

The state of a run's money stands where those of the providers' limits do (`workers.admission`), under the run's id.
While that store is away the limit holds for each process alone; what has been recorded counts in any case.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from apps.runs.actions.limits import cost_of
from orchestra.engine.context import Postponed
from orchestra.engine.plan import UNDO
from orchestra.errors import CostLimit
from orchestra.ids import new_id
from orchestra.llm import purse as rules
from orchestra.llm.catalogue import cost
from orchestra.llm.client import Chunk, Finish, ModelRequest, ModelTarget
from orchestra.llm.tokens import count_tokens
from workers import telemetry
from workers.admission import ANSWER_TOKENS, tokens_in

if TYPE_CHECKING:
    from workers.context import WorkerContext
    from workers.runtime import Runtime

RENEWED_EVERY = 8.0
PAUSE = 1.0
"""Seconds until a call asks again that others leave nothing for."""


@dataclass(slots=True)
class Reservation:
    """What is held for one call; and what the call has come to so far."""

    run: str
    call: str
    target: ModelTarget
    input_tokens: int
    output_tokens: int = 0

    def take(self, chunk: Chunk) -> None:
        """Count what a call has brought; its end knows better."""
        if isinstance(chunk, Finish):
            self.input_tokens, self.output_tokens = chunk.input_tokens, chunk.output_tokens
        else:
            self.output_tokens += count_tokens(chunk.text)

    def spent(self, *, has_begun: bool) -> float:
        """Return what the call has cost; one that has brought nothing has cost nothing."""
        return _price(self.target, self.input_tokens, self.output_tokens) if has_begun else 0.0


class Purse:
    """What a process holds of the money of runs; belongs to its event loop."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._open: dict[str, int] = defaultdict(int)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_renewing = False

    async def reserve(
        self, context: WorkerContext, target: ModelTarget, request: ModelRequest, *, may_lie_down: bool
    ) -> Reservation | None:
        """Return once a call may begin; None where there is no limit.

        Raises CostLimit when nothing is left, Postponed when the calls under way may leave nothing and nothing of
        the attempt is begun.
        """
        limit = _limit_of(context)
        if limit is None:
            return None
        run = context.claimed.facts.run
        wanted = Reservation(run, new_id().hex, target, tokens_in(request))
        amount = _price(target, wanted.input_tokens, request.max_tokens or ANSWER_TOKENS)

        def change(recorded: float, state: rules.State, now: int) -> str:
            return rules.reserve(
                state,
                limit=limit,
                recorded=recorded,
                holder=self.runtime.name,
                call=wanted.call,
                amount=amount,
                now=now,
            )

        while await self._ask(context, limit, change) != rules.GO:
            if may_lie_down:
                telemetry.POSTPONED.labels("cost").inc()
                raise Postponed(f"cost:{target.connection}", PAUSE)
            await asyncio.sleep(PAUSE)
        self._open[run] += 1
        self._keep_renewing()
        return wanted

    async def check(self, context: WorkerContext) -> None:
        """Raise CostLimit when the run has nothing left and nothing of it is under way any more."""
        limit = _limit_of(context)
        if limit is not None:
            await self._ask(
                context,
                limit,
                lambda recorded, state, now: rules.look(state, limit=limit, recorded=recorded, now=now),
            )

    def settle(self, reservation: Reservation | None, *, has_begun: bool) -> None:
        """Count what a call has cost, soon: who ends it need not wait, and may be cancelled."""
        if reservation is None:
            return
        one, spent = reservation, reservation.spent(has_begun=has_begun)
        self._open[one.run] -= 1
        if not self._open[one.run]:
            del self._open[one.run]

        def change(state: rules.State, now: int) -> None:
            rules.settle(state, holder=self.runtime.name, call=one.call, spent=spent, now=now)

        self._soon(self.runtime.gate.change(_account(one.run), change))

    async def _ask(
        self, context: WorkerContext, limit: float, change: Callable[[float, rules.State, int], str]
    ) -> str:
        run = context.claimed.facts.run
        recorded = await context.in_database(lambda: cost_of(run)) + context.tally.cost
        verdict = await self.runtime.gate.change(_account(run), partial(change, recorded))
        if verdict == rules.SPENT:
            raise CostLimit(f"The run has cost {recorded:.6f}; its limit is {limit:g}.")
        return verdict

    def _keep_renewing(self) -> None:
        if not self._is_renewing:
            self._is_renewing = True
            self._soon(self._renew())

    async def _renew(self) -> None:
        """Say that this process is alive, for as long as it makes calls that are counted."""
        try:
            while self._open:
                await asyncio.sleep(RENEWED_EVERY)
                for run in list(self._open):
                    await self.runtime.gate.change(
                        _account(run), lambda state, now: rules.keep(state, self.runtime.name, now)
                    )
        finally:
            self._is_renewing = False

    def _soon(self, work: Any) -> None:
        task = self.runtime.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _limit_of(context: WorkerContext) -> float | None:
    limit = context.claimed.facts.plan.limits.get("cost")
    return None if limit is None or UNDO in context.path else float(limit)


def _account(run: str) -> str:
    return f"run:{run}"


def _price(target: ModelTarget, input_tokens: int, output_tokens: int) -> float:
    return float(cost(target.model, input_tokens, output_tokens, target.prices))
