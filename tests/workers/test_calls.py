"""A provider that answers 429, then 500, then hangs: retries, breaker, fallback, all of it told on the node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.agents import actions as agents
from apps.agents.models import Breaker, BreakerChange, Connection
from apps.runs.actions import start_run
from apps.runs.actions import upkeep as passes
from apps.runs.models import NodeRun, Run
from tests.local_server import serving_beside
from tests.running import nodes_of, wait_for_end, wait_until

ASK: dict[str, Any] = {
    "orchestra": 1,
    "name": "Ask",
    "inputs": {"type": "object", "properties": {}},
    "nodes": {
        "ask": {"kind": "llm", "settings": {"prompt": "Hello", "connection": "main"}, "retry": {"max": 0}}
    },
}


class Provider:
    """Does what it is told, call by call: a status, `hang`, or `ok`; the last one again and again."""

    def __init__(self, *does: str) -> None:
        self.does = list(does)
        self.keys: list[str | None] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("Idempotency-Key"))
        what = self.does.pop(0) if len(self.does) > 1 else self.does[0]
        if what == "hang":
            await asyncio.sleep(30)
        if what != "ok":
            return web.json_response({"error": {"message": f"it does {what}"}}, status=int(what))
        choice = {"message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
        return web.json_response({"model": "m", "choices": [choice]})


@pytest.fixture
def connect(team: Any, editor: User, settings: Any) -> Callable[..., Connection]:
    """Make the connection `main` to a server, and `spare` to the simulated model."""

    def make(server: Any, **options: Any) -> Connection:
        settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({server.endpoint})
        agents.create_connection(
            team=team, name="Spare", dialect="simulated", options={"latency": 0, "tps": 0}, by=editor
        )
        return agents.create_connection(
            team=team,
            name="Main",
            dialect="openai",
            base_url=f"{server.url}/v1",
            default_model="m",
            options={"idle_seconds": 1, **options},
            by=editor,
        )

    return make


def statuses(node: NodeRun, attempt: int = -1) -> list[tuple[str, str]]:
    return [(call["connection"], call["status"]) for call in node.attempts[attempt]["calls"]]


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_stumbles_is_tried_again_then_left_for_the_fallback_and_the_page_says_why(
    worker: Any, connect: Any, editor: User, publish_workflow: Any
) -> None:
    provider = Provider("429", "500", "hang")
    workflow = publish_workflow(ASK, name="Ask")

    with serving_beside(provider.answer) as server:
        connect(server, breaker_failures=2, fallbacks=["spare"])
        first = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
        wait_until(first, lambda _run: Breaker.objects.filter(state="open").exists())
        second = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    node = nodes_of(first)["ask"]
    assert (first.status, node.attempt) == ("succeeded", 1)
    assert statuses(node) == [
        ("main", "rate_limited"),
        ("main", "model_unavailable"),
        ("main", "model_timeout"),
        ("spare", "ok"),
    ]
    assert len(provider.keys) == 3
    assert len(set(provider.keys)) == 1
    assert [call.get("wait") is not None for call in node.attempts[0]["calls"]] == [True, True, False, False]
    assert statuses(nodes_of(second)["ask"]) == [("main", "breaker_open"), ("spare", "ok")]
    assert list(BreakerChange.objects.values_list("before", "after")) == [("closed", "open")]
    told = first.events.get(type="node.succeeded").data["calls"]
    assert [call["status"] for call in told] == [status for _connection, status in statuses(node)]
    assert_is_explained(first, editor)


def assert_is_explained(run: Run, editor: User) -> None:
    browser = Client()
    browser.force_login(editor)
    answer = browser.get(f"/api/v1/runs/{run.pk}/nodes/ask").json()["attempts"][0]
    page = " ".join(browser.get(f"/runs/{run.pk}/nodes/ask/").content.decode().split())

    assert "it does 429 Tried again after 0." in answer["why"]
    assert "Fell back to spare/simulated-1. spare/simulated-1 answered" in answer["why"]
    assert 'data-call="failed">main/m: The provider answers 500: it does 500 Tried again' in page
    assert 'data-call="ok">spare/simulated-1 answered' in page
    card = " ".join(browser.get("/connections/main/").content.decode().split())
    assert 'data-breaker="open"' in card


@pytest.mark.django_db(transaction=True)
def test_without_a_fallback_the_node_waits_as_a_row_until_one_call_finds_the_provider_back(
    worker: Any, connect: Any, editor: User, publish_workflow: Any
) -> None:
    workflow = publish_workflow(ASK, name="Ask")

    with serving_beside(Provider("500", "500", "ok").answer) as server:
        connect(server, breaker_failures=2, breaker_seconds=600, retries=1)
        failed = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
        wait_until(failed, lambda _run: Breaker.objects.filter(state="open").exists())
        run = start_run(workflow=workflow, input={}, by=editor)
        held = wait_until(run, lambda fresh: fresh.node_runs.filter(status="waiting").exists())
        waiting = nodes_of(held)["ask"]
        past = timezone.now() - timedelta(seconds=1)
        Breaker.objects.update(until=past)
        NodeRun.objects.filter(pk=waiting.pk).update(due_at=past)
        assert passes.release_postponed() == 1
        ended = wait_for_end(run)
        wait_until(ended, lambda _run: Breaker.objects.filter(state="closed").exists())

    assert (failed.status, nodes_of(failed)["ask"].error["code"]) == ("failed", "model_unavailable")
    assert (waiting.waiting_for, waiting.attempt) == ("limit:breaker:main", 0)
    assert (ended.status, nodes_of(ended)["ask"].attempt) == ("succeeded", 1)
    states = list(BreakerChange.objects.order_by("pk").values_list("after", flat=True))
    assert states == ["open", "half_open", "closed"]


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_refused_is_passed_over_and_the_node_says_which_one_answered(
    worker: Any, connect: Any, editor: User, publish_workflow: Any
) -> None:
    async def provider(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Bearer sk-good-0123456789":
            return web.json_response({"error": {"message": "no"}}, status=401)
        return await Provider("ok").answer(request)

    workflow = publish_workflow(ASK, name="Ask")
    with serving_beside(provider) as server:
        connection = connect(server)
        for name, weight in (("bad", 1000), ("good", 0.01)):
            agents.add_key(
                connection=connection, name=name, secret=f"sk-{name}-0123456789", weight=weight, by=editor
            )
        run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    calls = nodes_of(run)["ask"].attempts[0]["calls"]
    assert [call["status"] for call in calls] == ["bad_credentials", "ok"]
    assert calls[0]["why"] == "key bad, round_robin: its turn"
    assert calls[1]["why"] == "key good"


@pytest.mark.django_db(transaction=True)
def test_a_connection_with_a_cache_answers_the_same_request_once_and_then_for_nothing(
    worker: Any, connect: Any, editor: User, publish_workflow: Any
) -> None:
    provider = Provider("ok")
    workflow = publish_workflow(ASK, name="Ask")
    with serving_beside(provider.answer) as server:
        connection = connect(server, cache_seconds=600, prices={"m": [1_000_000, 1_000_000]})
        first, second = (wait_for_end(start_run(workflow=workflow, input={}, by=editor)) for _ in range(2))
        agents.update_connection(connection=connection, name="Renamed", by=editor)
        third = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    asked, found = nodes_of(first)["ask"], nodes_of(second)["ask"]
    assert len(provider.keys) == 2
    assert third.status == "succeeded"
    assert found.output["text"] == asked.output["text"] == "Hello."
    assert (asked.cost > 0, float(found.cost), found.output_tokens) == (True, 0.0, 0)
    assert [call.get("is_cached") for call in found.attempts[0]["calls"]] == [True]
