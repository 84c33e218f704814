"""Budgets at work: every call of a model reserves what it may cost, and books what it cost.

What a spent budget asks for happens here: the call fails, waits with its paused run, or goes to a cheaper model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from apps.agents.targets import resolve_targets
from apps.runs.actions.budgets import note_budget, pause_for_budget, root_of
from apps.usage.actions.reserving import (
    FREE,
    GO,
    WAIT,
    Amount,
    Spender,
    Verdict,
    Warned,
    budgets_for,
    reserve,
    settle,
)
from apps.usage.models import Budget, Scope, WhenSpent
from orchestra.engine.context import Postponed
from orchestra.engine.plan import UNDO
from orchestra.engine.status import EventType
from orchestra.errors import BudgetDegraded, BudgetSpent, ModelRefused
from orchestra.llm.answer import Withheld
from orchestra.llm.catalogue import cost
from orchestra.llm.client import Chunk, Finish, ModelClient, ModelRequest, ModelTarget, TextDelta
from orchestra.llm.tokens import count_tokens
from workers.admission import ANSWER_TOKENS
from workers.calls import admitted

if TYPE_CHECKING:
    from workers.context import WorkerContext

log = structlog.get_logger(__name__)

LONGEST_CALL = 3600.0
SLACK = 60.0
"""Seconds that a reservation outlives the time that its call has."""
LOOK_AGAIN = 1.0
LOOK_AGAIN_SPENT = 15.0
"""Seconds after which a call that found its budget spent asks again."""


async def budgeted(
    targets: Sequence[ModelTarget], settings: Mapping[str, Any], context: WorkerContext
) -> list[ModelTarget]:
    """Return targets whose calls go through the gate and through the team's budgets, cheaper models at the end."""
    team = context.claimed.facts.team
    budgets = await context.in_database(partial(budgets_for, team), f"budgets {team}")
    if not budgets or UNDO in context.path:
        return admitted(targets, context)
    run = context.claimed.facts.run
    if any(budget.scope == Scope.RUN for budget in budgets):
        run = await context.in_database(partial(root_of, run))
    purse = Purse(context, budgets, run)
    found = [(target, frozenset[UUID]()) for target in admitted(targets, context)]
    for budget in budgets:
        if budget.when_spent == WhenSpent.DEGRADE:
            cheaper = await context.in_database(partial(_cheaper, team, budget, settings))
            found += [(target, frozenset({budget.pk})) for target in admitted(cheaper, context)]
    return [replace(target, client=BudgetedClient(target, purse, spared)) for target, spared in found]


def _cheaper(team: str, budget: Budget, settings: Mapping[str, Any]) -> list[ModelTarget]:
    """Return the model that a budget turns to; none when it cannot be had any more."""
    choice = {
        "agent": settings.get("agent"),
        "connection": budget.fallback_connection or settings.get("connection"),
        "model": budget.fallback_model,
    }
    try:
        return resolve_targets(team, choice)[:1]
    except ModelRefused as error:
        log.warning("cheaper_model_away", budget=budget.name, error=error.message)
        return []


class Purse:
    """What the calls of one attempt share: the team's budgets as they were read last, and which of them are spent."""

    def __init__(self, context: WorkerContext, budgets: Sequence[Budget], run: str) -> None:
        self.context = context
        self.budgets = budgets
        self.run = run
        self.spent: set[UUID] = set()
        """Budgets that have turned a call away to their cheaper model."""

    def spender(self, agent: str) -> Spender:
        facts = self.context.claimed.facts
        return Spender(facts.team, self.run, facts.user, facts.workflow, agent)

    async def read_again(self) -> None:
        team = self.context.claimed.facts.team
        self.budgets = await self.context.in_database(partial(budgets_for, team))


class BudgetedClient:
    """A client whose every call is paid for from the budgets of its team.

    `spared` are the budgets whose cheaper model this is: it is asked only when one of them is spent.
    """

    def __init__(self, target: ModelTarget, purse: Purse, spared: frozenset[UUID]) -> None:
        self.target = target
        self.client: ModelClient = target.client
        self.purse = purse
        self.context = purse.context
        self.spared = spared
        self.spender = purse.spender(target.agent)

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield the client's chunks once there is money. Raises BudgetSpent, BudgetDegraded, Postponed."""
        if self.spared and not self.spared & self.purse.spent:
            raise Withheld
        asked = sum(count_tokens(message.content) for message in request.messages)
        verdict = await self._reserve(request, asked)
        finish: Finish | None = None
        parts: list[str] = []
        try:
            async with aclosing(self.client.stream(request)) as chunks:  # type: ignore[type-var]  # clients yield from generators
                async for chunk in chunks:
                    if isinstance(chunk, Finish):
                        finish = chunk
                    elif isinstance(chunk, TextDelta):
                        parts.append(chunk.text)
                    yield chunk
        finally:
            if finish is None:
                finish = Finish("error", asked if parts else 0, count_tokens("".join(parts)))
            self._settle(verdict, self._amount(finish.input_tokens, finish.output_tokens))

    async def _reserve(self, request: ModelRequest, asked: int) -> Verdict:
        estimate = self._amount(asked, request.max_tokens or ANSWER_TOKENS)
        seconds = (request.timeout or LONGEST_CALL) + SLACK
        while True:
            verdict = await self.context.in_database(
                partial(
                    reserve, self.purse.budgets, self.spender, estimate, seconds=seconds, spared=self.spared
                )
            )
            if verdict.says == GO:
                return verdict
            await self._refused(verdict, estimate)
            await self.purse.read_again()

    async def _refused(self, verdict: Verdict, estimate: Amount) -> None:
        """Do what a budget asks for that has nothing left; return when it may be asked again."""
        budget = verdict.budget
        assert budget is not None  # noqa: S101  (a refusal names its budget)
        if verdict.is_first:
            await self._note(EventType.BUDGET_SPENT, budget, verdict.spent, action=budget.when_spent)
        if verdict.says == WhenSpent.STOP:
            raise BudgetSpent(_sentence(budget, verdict.spent, estimate))
        if verdict.says == WhenSpent.DEGRADE:
            self.purse.spent.add(budget.pk)
            error = BudgetDegraded(_sentence(budget, verdict.spent, estimate))
            self.context.trail.note(
                connection=self.target.connection,
                model=self.target.model,
                status=error.code,
                message=error.message,
                why=self.target.why,
            )
            raise error
        pause = LOOK_AGAIN
        if verdict.says != WAIT:
            pause = LOOK_AGAIN_SPENT
            run = self.context.claimed.facts.run
            await self.context.in_database(partial(pause_for_budget, run, budget.name))
        if not self.context.has_called and not self.context.node.effect:
            raise Postponed(f"budget:{budget.name}", pause)
        await asyncio.sleep(pause)

    def _amount(self, input_tokens: int, output_tokens: int) -> Amount:
        target = self.target
        money = cost(target.model, input_tokens, output_tokens, target.prices)
        return Amount(money, input_tokens + output_tokens)

    def _settle(self, verdict: Verdict, used: Amount) -> None:
        """Book what was used, soon: who ends the call need not wait, and may be cancelled."""
        if verdict is FREE:
            return
        runtime = self.context.runtime
        booked = runtime.recorder.call(
            partial(settle, verdict, used)
        )  # in the queue before the next reservation
        runtime.finish_later(self._settled(booked, verdict, used))

    async def _settled(self, booked: Future[list[Warned]], verdict: Verdict, used: Amount) -> None:
        try:
            found = await asyncio.wrap_future(booked)
        except (OperationalError, InterfaceError):
            found = await self.context.in_database(partial(settle, verdict, used, is_again=True))
        for warned in found:
            await self._note(EventType.BUDGET_WARNED, warned.budget, warned.spent)

    async def _note(self, type_: EventType, budget: Budget, spent: Decimal, **data: Any) -> None:
        told = {
            "budget": budget.name,
            "spent": float(spent),
            "amount": float(budget.amount),
            "unit": budget.unit,
            **data,
        }
        run, path = self.context.claimed.facts.run, self.context.path
        await self.context.in_database(partial(note_budget, run, type_, path, **told))


def _sentence(budget: Budget, spent: Decimal, estimate: Amount) -> str:
    wanted = estimate.of(budget.unit)
    return (
        f"The budget “{budget.name}” of {_plain(budget.amount)} is spent: {_plain(spent)} is used,"
        f" and the next call may take {_plain(wanted)}."
    )


def _plain(value: Decimal) -> str:
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    whole, point, digits = text.partition(".")
    return f"{whole}.{digits:0<2}" if point else whole
