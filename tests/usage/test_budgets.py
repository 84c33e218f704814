"""Budgets: reserved before a call, settled after it, shared by all; runs stop, pause, or go on with a cheaper model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections

from apps.accounts.models import Role
from apps.agents.actions import create_connection
from apps.runs.actions import resume_run, start_run, upkeep
from apps.runs.models import NodeRun, Run
from apps.usage.actions import create_budget, purge_reservations, update_budget
from apps.usage.actions.reserving import Amount, Spender, budgets_for, reserve, settle
from apps.usage.models import Budget, ModelCall, Reservation, Spending
from orchestra.ids import new_id
from tests.running import nodes_of, wait_for_end, wait_until, wait_until_idle

ONE = Amount(1.0, 100)
THREE_CALLS = """
orchestra: 1
nodes:
  first: {kind: llm, settings: {prompt: "Say one", max_tokens: 20}}
  second: {kind: llm, needs: [first], settings: {prompt: "Say two", max_tokens: 20}}
  third: {kind: llm, needs: [second], retry: {max: 0}, settings: {prompt: "Say three", max_tokens: 20}}
"""


@pytest.fixture
def owner(make_user: Any, team: Any) -> Any:
    return make_user("olga", team, Role.OWNER)


@pytest.fixture
def budget(team: Any, owner: Any) -> Any:
    """Return a factory of budgets of 3.00 a month for the team, unless told otherwise."""

    def make(**fields: Any) -> Budget:
        given = {"name": "Month", "amount": Decimal(3), "span": "month", **fields}
        return create_budget(team=team, by=owner, **given)

    return make


def ask(team: Any, cost: Amount = ONE, **fields: Any) -> Any:
    spender = Spender(team=str(team.pk), run=fields.pop("run", str(new_id())), **fields.pop("who", {}))
    return reserve(budgets_for(str(team.pk)), spender, cost, seconds=60, **fields)


def test_what_is_reserved_cannot_be_reserved_again_until_it_is_settled(team: Any, budget: Any) -> None:
    budget()

    held = [ask(team) for _ in range(3)]
    fourth = ask(team)
    settle(held[0], Amount(0.25, 10))

    assert [verdict.says for verdict in held] == ["go"] * 3
    assert (fourth.says, fourth.ticket) == ("wait", None)
    assert ask(team, Amount(0.75, 1)).says == "go"
    assert ask(team, Amount(0.01, 1)).says == "wait"
    assert Spending.objects.get().spent == Decimal("0.25")


def test_a_spent_budget_says_what_it_was_told_to(team: Any, budget: Any) -> None:
    made = budget(when_spent="pause")
    settle(ask(team), Amount(2.5, 1))

    first, second = ask(team), ask(team)

    assert (first.says, first.budget, first.spent, first.is_first) == ("pause", made, Decimal("2.5"), True)
    assert second.is_first is False
    assert Reservation.objects.count() == 0


def test_a_threshold_warns_once(team: Any, budget: Any) -> None:
    budget(warn_percent=50, when_spent="warn")

    warned = [settle(ask(team), ONE) for _ in range(5)]

    assert [[one.spent for one in each] for each in warned] == [[], [Decimal(2)], [], [], []]
    assert Spending.objects.get().spent == 5


def test_reservations_of_lost_workers_expire(team: Any, budget: Any) -> None:
    budget()
    now = datetime(2026, 5, 2, 12, tzinfo=UTC)
    for _ in range(3):
        ask(team, now=now)
    assert ask(team, now=now).says == "wait"

    later = now + timedelta(minutes=2)

    assert ask(team, now=later).says == "go"
    assert purge_reservations(later) == 3


def test_every_day_and_every_subject_has_an_amount_of_its_own(team: Any, budget: Any, editor: Any) -> None:
    budget(scope="user", span="day", time_zone="Asia/Tokyo", amount=Decimal(1))
    evening = datetime(2026, 5, 2, 14, 59, tzinfo=UTC)
    ada, bob = {"user": str(editor.pk)}, {"user": str(new_id())}

    assert ask(team, who=ada, now=evening).says == "go"
    assert ask(team, who=ada, now=evening).says == "wait"
    assert ask(team, who=bob, now=evening).says == "go"
    assert ask(team, who=ada, now=evening + timedelta(minutes=1)).says == "go"
    assert ask(team, now=evening).ticket is None


def test_what_was_spent_before_the_budget_was_made_counts(team: Any, budget: Any, add_call: Any) -> None:
    add_call(cost="2.5", workflow="brief")
    add_call(cost="2.5", workflow="other")
    budget(scope="workflow", subject="", span="day")

    verdict = ask(team, who={"workflow": "brief"})

    assert (verdict.says, verdict.spent) == ("stop", Decimal("2.5"))


def test_calls_at_the_same_time_cannot_spend_the_same_money(
    transactional_db: None, team: Any, budget: Any
) -> None:
    budget(amount=Decimal(5))
    ask(team, Amount(0, 0))

    def one(_number: int) -> str:
        try:
            return str(ask(team).says)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        says = list(threads.map(one, range(12)))

    assert sorted(says) == ["go"] * 5 + ["wait"] * 7
    assert connection.vendor


def test_a_run_stops_politely_when_the_budget_is_spent(
    worker: Any, publish_workflow: Any, editor: Any, paid: Any, budget: Any
) -> None:
    budget(amount=Decimal("0.10"), name="Small")
    workflow = publish_workflow(THREE_CALLS)

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    wait_until_idle(worker)

    assert (run.status, run.error["code"]) == ("failed", "budget_spent")
    assert "The budget “Small” of 0.10 is spent" in run.error["message"]
    spent = Spending.objects.get().spent
    assert spent == sum(ModelCall.objects.filter(run=run.pk).values_list("cost", flat=True))
    assert spent == run.cost
    told = run.events.get(type="budget.spent")
    assert (told.data["budget"], told.data["action"]) == ("Small", "stop")
    assert Reservation.objects.count() == 0


def test_a_run_pauses_and_goes_on_when_there_is_money_again(
    worker: Any, publish_workflow: Any, editor: Any, owner: Any, paid: Any, budget: Any
) -> None:
    small = budget(amount=Decimal("0.001"), when_spent="pause", name="Tiny")
    run = start_run(workflow=publish_workflow(THREE_CALLS), input={}, by=editor)
    wait_until(run, lambda one: one.status == "paused")
    node = nodes_of(run)["first"]
    wait_until(run, lambda one: nodes_of(one)["first"].waiting_for == "limit:budget:Tiny")
    assert node.input_tokens == 0
    assert run.events.get(type="run.paused").data["reason"] == "budget"

    update_budget(budget=small, by=owner, amount=Decimal(10))
    resume_run(run=run, by=editor)
    NodeRun.objects.filter(run=run, status="waiting").update(due_at=run.created_at)
    upkeep.release_postponed()
    wait_for_end(run)

    assert run.status == "succeeded", run.error
    assert nodes_of(run)["first"].attempt == 1


def test_a_cheaper_model_takes_over_when_the_budget_is_spent(
    worker: Any, publish_workflow: Any, team: Any, editor: Any, paid: Any, budget: Any
) -> None:
    free = {"latency": 0, "tps": 0, "prices": {"simulated-1": [1, 1]}}
    create_connection(team=team, name="Cheap", dialect="simulated", options=free, by=editor)
    budget(amount=Decimal("0.10"), when_spent="degrade", fallback_connection="cheap", warn_percent=10)

    run = wait_for_end(start_run(workflow=publish_workflow(THREE_CALLS), input={}, by=editor))
    wait_until_idle(worker)

    assert run.status == "succeeded", run.error
    used = list(ModelCall.objects.filter(run=run.pk).order_by("id").values_list("connection", "failed"))
    assert used[0] == ("paid", 0)
    assert used[-1] == ("cheap", 0)
    assert len(used) == 3
    assert {event.type for event in run.events.filter(type__startswith="budget.")} == {
        "budget.spent",
        "budget.warned",
    }
    assert Run.objects.get().cost == sum(ModelCall.objects.values_list("cost", flat=True))
