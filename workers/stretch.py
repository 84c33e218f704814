"""One claimed node run, and what follows it without effects: run one after the other, recorded together.

The worker does not wait for the database between nodes that may be repeated at will; the recorder commits what has
gathered meanwhile. What follows with an effect is handed to the caller only once all before it is durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from django.db import Error as DatabaseError
from django.utils import timezone

from apps.runs.actions.operations import Applied, Claimed, HandBack, Hold, Record
from orchestra.engine.ahead import Ahead
from orchestra.engine.attempt import InternalError
from orchestra.engine.outcome import Done, Failed, Outcome, Usage, usage_of
from orchestra.engine.plan import PlanNode, path_of, split_path
from workers.context import WorkerContext
from workers.pace import may_go_ahead

if TYPE_CHECKING:
    from workers.runtime import Runtime

log = structlog.get_logger(__name__)

MOST_UNANSWERED = 64
"""So many records may be on their way to the database before the worker waits for the first."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last node of a stretch, how it ended (None: it was stopped), and what the database answered."""

    claimed: Claimed
    hold: Hold
    outcome: Outcome | None
    applied: Applied
    retries: tuple[asyncio.Task[None], ...] = ()
    """Of nodes that failed on the way: each waits for its back-off and goes on by itself."""


class Stretch:
    def __init__(self, runtime: Runtime, claimed: Claimed, queue: str, *, follows: bool) -> None:
        self.runtime = runtime
        self.first = claimed
        self.queue = queue
        self.follows = follows
        self.hold = Hold({claimed.path: claimed.fence})
        self.ahead = Ahead(
            claimed.plan, claimed.results, self._may_go_ahead, self._is_quick, has_canvas=follows
        )
        self.waiting: deque[Claimed] = deque([claimed])
        self.unanswered: deque[tuple[Record, asyncio.Future[Applied]]] = deque()
        self.retries: list[asyncio.Task[None]] = []

    async def run(self) -> Ended:
        """Run until nothing may be run ahead any more; everything is recorded then, or withdrawn."""
        ended = await self._run()
        return replace(ended, retries=tuple(self.retries))

    async def _run(self) -> Ended:
        while True:
            current = self.waiting.popleft()
            started = timezone.now()
            context = WorkerContext(self.runtime, current)
            outcome = await self.runtime.attempt(current, context, is_quick=self._is_quick(current.node))
            if outcome is None:
                return Ended(
                    current, self.hold, None, await self._hand_back(current, usage_of(context.tally))
                )
            found = self.ahead.after(current.node, outcome)
            self.waiting.extend(self._next(current, node) for node in found)
            is_last = not self.waiting and self._is_last(current, outcome)
            record = Record(
                current.facts.run,
                current.path,
                self.hold,
                outcome,
                input=context.input,
                follows=self.follows,
                keep=None if self.waiting or is_last or self.runtime.is_stopping else self.queue,
                epoch=current.epoch,
                ahead=tuple(path_of(split_path(current.path)[0], node.id) for node in found),
                started_at=None if current is self.first else started,
                ended_at=timezone.now(),
            )
            if is_last:
                self.runtime.finish_later(self._end(current, record))
                return Ended(current, self.hold, outcome, Applied())
            if not self.waiting:
                return await self._end(current, record)
            if not await self._report(current, record):
                return Ended(current, self.hold, outcome, Applied())

    def _may_go_ahead(self, node: PlanNode) -> bool:
        return not self.runtime.is_stopping and may_go_ahead(self.first, node, self.queue)

    def _is_quick(self, node: PlanNode) -> bool:
        """Say whether a node is not worth a task, a thread or a message: it waits for nothing, and was quick before."""
        return may_go_ahead(self.first, node, self.queue) and self.runtime.pace.is_quick(
            self.first.facts.version, node
        )

    def _next(self, current: Claimed, node: PlanNode) -> Claimed:
        """Return the claim of a node that is run ahead: the database grants it as it records what led there."""
        return replace(
            current,
            path=path_of(split_path(current.path)[0], node.id),
            node=node,
            queue=self.queue,
            attempt=1,
            results=self.ahead.reads_of(node),
            items=None,
            failures=(),
        )

    async def _report(self, current: Claimed, record: Record) -> bool:
        """Have a record committed without waiting for it; False when an earlier one was refused."""
        answer = asyncio.wrap_future(self.runtime.recorder.submit(record))
        self.unanswered.append((record, answer))
        if isinstance(record.outcome, Failed) and record.outcome.retry_after is not None:
            self.retries.append(self.runtime.loop.create_task(self._retry(current, record.outcome, answer)))
        while self.unanswered and (self.unanswered[0][1].done() or len(self.unanswered) > MOST_UNANSWERED):
            if not (await self._answer(*self.unanswered.popleft())).is_accepted:
                await self._await_all()
                return False
        return True

    async def _retry(self, current: Claimed, outcome: Failed, answer: asyncio.Future[Applied]) -> None:
        """Go on with a node that failed while others waited, after its back-off."""
        await asyncio.wait([answer])  # whoever holds the record deals with its error
        if answer.cancelled() or answer.exception() is not None:
            return
        await self.runtime.run_again(Ended(current, self.hold, outcome, answer.result()), self.queue)

    def _is_last(self, current: Claimed, outcome: Outcome) -> bool:
        """Say whether nothing of the run can follow here: then the task need not wait for the last commit."""
        is_over = isinstance(outcome, Done) and current.path == current.node.id
        return is_over and not current.plan.successors[current.node.id]

    async def _end(self, current: Claimed, record: Record) -> Ended:
        """Record the last node and wait for every answer."""
        last = asyncio.wrap_future(self.runtime.recorder.submit(record))
        await self._await_all()
        return Ended(current, self.hold, record.outcome, await self._answer(record, last))

    async def _await_all(self) -> None:
        while self.unanswered:
            await self._answer(*self.unanswered.popleft())

    async def _answer(self, record: Record, answer: asyncio.Future[Applied]) -> Applied:
        """Return an answer; an outcome that the database cannot hold fails the node, which would run for ever."""
        try:
            return await answer
        except DatabaseError as error:
            log.exception("outcome_refused", run=record.run, node=record.path)
            message = f"The result could not be stored: {type(error).__name__}."
            outcome = Failed(InternalError(message).as_json(), usage=getattr(record.outcome, "usage", None))
            failed = replace(record, outcome=outcome, input=None, ahead=())
            return await self.runtime.commit(failed)

    async def _hand_back(self, current: Claimed, usage: Usage | None) -> Applied:
        """Give up what this task still holds; `usage` is what the current attempt has spent."""
        held: Sequence[Claimed] = [current, *self.waiting]
        await self._await_all()
        answers = [
            await self.runtime.commit(
                HandBack(one.facts.run, one.path, self.hold, usage if one is current else None)
            )
            for one in held
        ]
        return answers[0]
