"""Limits of connections, kept by workers together: rows wait, slots do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as conf
from django.utils import timezone

from apps.accounts.models import Team, User
from apps.agents import actions as agents
from apps.agents.limits import account_of
from apps.agents.models import Connection
from apps.agents.targets import resolve_targets
from apps.runs.actions import start_run
from apps.runs.actions import upkeep as passes
from apps.runs.actions.admission import change_admission
from apps.runs.models import Admission, NodeRun
from orchestra.engine.context import Postponed
from orchestra.errors import InvalidInput, RateLimited
from orchestra.llm import limits as rules
from orchestra.llm.client import Chunk, Finish, ModelRequest, ModelTarget
from orchestra.llm.limits import Asking, Limits
from orchestra.llm.trail import Trail
from tests.running import nodes_of, wait_for_end, wait_until
from workers.admission import Gate, estimate
from workers.breakers import Breakers
from workers.calls import admitted
from workers.purse import Purse

ASK = {
    "orchestra": 1,
    "name": "Ask",
    "inputs": {"type": "object", "properties": {}},
    "nodes": {"ask": {"kind": "llm", "settings": {"prompt": "x", "connection": "slow"}}},
}


class Client:
    """Answers at once, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.error = error

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        yield Finish("stop", 3, 4)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The state that every gate of a test sees."""
    states: dict[str, Any] = {}

    async def change(self: Gate, account: str, work: Any) -> Any:
        loop = asyncio.get_running_loop()
        return work(states.setdefault(account, {}), int(loop.time() * 1000))

    monkeypatch.setattr(Gate, "change", change)
    return states


def gate_of(name: str) -> Gate:
    return Gate(SimpleNamespace(name=name, loop=asyncio.get_running_loop()))  # type: ignore[arg-type]  # all it needs


def context_of(gate: Gate, team: str = "a", **fields: Any) -> Any:
    gate.runtime.__dict__.update(gate=gate, breakers=Breakers(gate.runtime), purse=Purse(gate.runtime))
    facts = SimpleNamespace(team=team, is_interactive=False, plan=SimpleNamespace(limits={}))
    node = SimpleNamespace(effect=None)
    values = {
        "runtime": gate.runtime,
        "claimed": SimpleNamespace(facts=facts),
        "node": node,
        "has_called": False,
        "trail": Trail(),
    }
    return SimpleNamespace(**{**values, **fields})


def target(client: Any, limits: Limits = rules.NO_LIMITS) -> ModelTarget:
    return ModelTarget(client=client, model="m", connection="main", account="acc", limits=limits)


async def call(found: ModelTarget) -> list[Chunk]:
    return [chunk async for chunk in found.client.stream(ModelRequest("m", ()))]


async def test_two_processes_share_the_limit(shared: dict[str, Any]) -> None:
    limits = Limits(concurrency=2)
    first, second = gate_of("w1"), gate_of("w2")

    tickets = [
        await gate.enter(target(None, limits), Asking(gate.runtime.name, "a"), may_lie_down=True)
        for gate in (first, second)
    ]
    shared["acc"]["seconds"] = 100.0  # calls last so long, so the next place is far away
    with pytest.raises(Postponed) as caught:
        await first.enter(target(None, limits), Asking("w1", "a"), may_lie_down=True)
    second.leave(tickets[1], None)
    await asyncio.sleep(0)

    assert caught.value.limit == "concurrency:main"
    assert rules.under_way(shared["acc"]) == 1


async def test_a_call_that_has_ended_frees_its_place_and_tells_its_tokens(shared: dict[str, Any]) -> None:
    gate = gate_of("w1")
    [found] = admitted([target(Client(), Limits(tokens=60_000, concurrency=1))], context_of(gate))

    for _ in range(3):
        assert len(await call(found)) == 1
        await asyncio.sleep(0)

    assert rules.under_way(shared["acc"]) == 0


async def test_a_call_that_fails_or_is_left_frees_its_place(shared: dict[str, Any]) -> None:
    gate = gate_of("w1")
    limits = Limits(concurrency=1)
    [broken] = admitted([target(Client(RuntimeError("x")), limits)], context_of(gate))
    [left] = admitted([target(Client(), limits)], context_of(gate))

    with pytest.raises(RuntimeError):
        await call(broken)
    await asyncio.sleep(0)
    stream = left.client.stream(ModelRequest("m", ()))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    await asyncio.sleep(0)

    assert rules.under_way(shared["acc"]) == 0


async def test_what_the_provider_asks_for_holds_for_every_process_also_without_limits(
    shared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers import admission

    told: list[Any] = []
    monkeypatch.setattr(admission.live, "tell_workers", told.append)
    here, there = gate_of("w1"), gate_of("w2")
    client = Client(RateLimited(retry_after=30))
    [found] = admitted([target(client)], context_of(here))

    with pytest.raises(RateLimited):
        await call(found)
    await asyncio.gather(*here._tasks)
    there.hear_pause(told[0]["pause"], told[0]["seconds"])
    with pytest.raises(Postponed) as caught:
        await call(admitted([target(client)], context_of(there))[0])

    assert client.calls == 1
    assert caught.value.limit == "provider:main"
    assert 25 < caught.value.seconds < 40


async def test_with_another_target_a_paused_one_is_passed_over(shared: dict[str, Any]) -> None:
    gate = gate_of("w1")
    gate.hear_pause("acc", 30)
    paused, other = admitted([target(Client()), target(Client())], context_of(gate))

    with pytest.raises(RateLimited):
        await call(paused)
    with pytest.raises(Postponed):
        await call(other)


async def test_an_attempt_that_has_begun_its_work_waits_where_it_is(shared: dict[str, Any]) -> None:
    gate = gate_of("w1")
    gate.hear_pause("acc", 1.2)
    [found] = admitted([target(Client())], context_of(gate, has_called=True))

    assert len(await call(found)) == 1


def test_a_question_and_its_answer_are_estimated() -> None:
    from orchestra.llm.client import Message

    request = ModelRequest("m", (Message("user", "some words here"),), max_tokens=10)

    assert 12 < estimate(request) < 20


def test_the_database_keeps_the_state_where_there_is_no_redis(db: None) -> None:
    limits = Limits(concurrency=1)

    first = change_admission("acc", lambda state, now: rules.admit(state, limits, Asking("w", "a"), now))
    second = change_admission("acc", lambda state, now: rules.admit(state, limits, Asking("w", "a"), now))

    assert (first.limit, second.limit) == ("", "concurrency")
    assert Admission.objects.get().state["held"]["w"]["teams"] == {"a": 1}


def test_connections_with_the_same_key_share_an_account(team: Team, editor: User) -> None:
    def make(name: str, secret: str) -> Connection:
        return agents.create_connection(
            team=team,
            name=name,
            dialect="openai",
            base_url="https://models.example.org/v1",
            secret=secret,
            by=editor,
        )

    one, same, other = (
        make(name, secret) for name, secret in (("a", "sk-1" * 5), ("b", "sk-1" * 5), ("c", "sk-2" * 5))
    )

    assert account_of(one) == account_of(same) != account_of(other)
    assert "sk-1" not in account_of(one)


def test_the_limits_of_a_connection_are_its_options(team: Team, editor: User) -> None:
    options = {"requests_per_minute": 60, "tokens_per_minute": 1000, "concurrency": 2}
    agents.create_connection(team=team, name="slow", dialect="simulated", options=options, by=editor)

    [found] = resolve_targets(team.pk, {"connection": "slow"})

    assert found.limits == Limits(60, 1000, 2)
    with pytest.raises(InvalidInput):
        agents.create_connection(
            team=team, name="x", dialect="simulated", options={"concurrency": 0}, by=editor
        )


def test_a_node_that_a_limit_holds_back_is_a_row_and_goes_on_in_time(
    worker: Any, publish_workflow: Any, team: Team, editor: User
) -> None:
    options = {"requests_per_minute": 1, "latency": 0, "tps": 0}
    connection = agents.create_connection(
        team=team, name="slow", dialect="simulated", options=options, by=editor
    )
    workflow = publish_workflow(ASK, name="Ask")
    wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    run = start_run(workflow=workflow, input={}, by=editor)
    held = wait_until(run, lambda fresh: fresh.node_runs.filter(status="waiting").exists())
    node = nodes_of(held)["ask"]

    assert (node.waiting_for, node.attempt, node.worker) == ("limit:requests:slow", 0, "")
    assert node.due_at is not None
    assert held.status == "running"
    agents.update_connection(
        connection=connection, options={**options, "requests_per_minute": 600_000}, by=editor
    )
    Admission.objects.update(state={})
    flush_limits()
    NodeRun.objects.filter(pk=node.pk).update(due_at=timezone.now())
    assert passes.release_postponed() == 1
    assert wait_for_end(run).status == "succeeded"
    assert nodes_of(run)["ask"].attempt == 1


def flush_limits() -> None:
    """Forget what Redis keeps of limits, where the suite runs with one."""
    if conf.REDIS_URL:
        import redis

        client = redis.Redis.from_url(conf.REDIS_URL)
        for key in client.scan_iter("orchestra:limits:*"):
            client.delete(key)


@pytest.mark.skipif(not conf.REDIS_URL, reason="needs the Redis of the suite")
async def test_of_many_that_ask_redis_at_once_none_is_let_in_too_many() -> None:
    flush_limits()
    gates = [gate_of(f"w{number}") for number in range(4)]
    place = target(None, Limits(concurrency=5))

    answers = await asyncio.gather(
        *(gates[number % 4]._ask(place, Asking(f"w{number % 4}", "a")) for number in range(40))
    )

    assert sum(not one.limit for one in answers) == 5
    for gate in gates:
        for task in gate._tasks:
            task.cancel()
        await gate._redis.aclose()
    flush_limits()
