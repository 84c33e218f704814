"""Results of nodes with `cache`: reused for the same work of the same team, and for nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Membership, Role, Team
from apps.agents.actions import create_agent, create_connection, update_agent
from apps.runs.actions import cache, start_run
from apps.runs.ledger import CacheEntry
from apps.workflows.models import Workflow
from orchestra.engine.outcome import Done
from tests.running import nodes_of, wait_for_end
from tests.runs import functions_for_tests as functions

DEFINITION = """
orchestra: 1
inputs: {type: object, required: [key], properties: {key: {type: string}}}
nodes:
  work:
    kind: function
    cache: 60
    settings: {name: test_flaky, arguments: {key: "{{ inputs.key }}", failures: 0}}
output: "{{ nodes.work.output }}"
"""


@pytest.fixture(autouse=True)
def _fresh_functions() -> None:
    functions.reset()


def ran(workflow: Workflow, by: Any, key: str = "k") -> Any:
    return wait_for_end(start_run(workflow=workflow, input={"key": key}, by=by))


def test_the_same_work_is_done_once_and_the_node_says_so(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(DEFINITION)

    first, second, other = ran(workflow, editor), ran(workflow, editor), ran(workflow, editor, "other")

    assert (first.output, second.output, other.output) == (1, 1, 1)
    assert functions.calls == {"k": 1, "other": 1}
    node = nodes_of(second)["work"]
    assert (node.is_cached, nodes_of(first)["work"].is_cached) == (True, False)
    assert second.events.get(type="node.succeeded").data["cached"] is True
    client = Client()
    client.force_login(editor)
    assert "data-cached" in client.get(f"/runs/{second.pk}/nodes/work/").content.decode()
    assert client.get(f"/api/v1/runs/{second.pk}/nodes/work").json()["attempts"][0]["cached"] is True


def test_another_team_does_the_work_itself(worker: Any, publish_workflow: Any, editor: Any) -> None:
    others = Team.objects.create(name="Others", slug="others")
    Membership.objects.create(user=editor, team=others, role=Role.EDITOR)

    ran(publish_workflow(DEFINITION), editor)
    ran(publish_workflow(DEFINITION, into=others), editor)

    assert functions.calls["k"] == 2
    assert CacheEntry.objects.count() == 2


def test_a_result_whose_time_is_over_is_made_anew_and_purged(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(DEFINITION)
    ran(workflow, editor)
    CacheEntry.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    again = ran(workflow, editor)

    assert again.output == 2
    assert cache.purge_results() == 0
    CacheEntry.objects.update(expires_at=timezone.now())
    assert cache.purge_results() == 1


def test_a_failure_is_not_kept(worker: Any, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(DEFINITION.replace("test_flaky", "test_broken").replace(", failures: 0", ""))

    assert [ran(workflow, editor).status for _ in range(2)] == ["failed", "failed"]

    assert functions.calls["k"] == 2
    assert not CacheEntry.objects.exists()


def test_a_cached_model_call_costs_nothing_and_follows_its_agents_changes(
    worker: Any, publish_workflow: Any, team: Any, editor: Any
) -> None:
    options = {"latency": 0, "tps": 0, "prices": {"simulated-1": [0, 1000]}}
    connection = create_connection(team=team, name="Sim", dialect="simulated", options=options, by=editor)
    agent = create_agent(team=team, name="Writer", connection=connection, by=editor)
    node = {"kind": "llm", "cache": 60, "settings": {"agent": "writer", "prompt": "Hello"}}
    workflow = publish_workflow({"orchestra": 1, "nodes": {"say": node}})

    costs = []
    for _ in range(2):
        costs.append(wait_for_end(start_run(workflow=workflow, input={}, by=editor)).cost)
    update_agent(agent=agent, instructions="Be brief.", by=editor)
    costs.append(wait_for_end(start_run(workflow=workflow, input={}, by=editor)).cost)

    assert costs[0] > 0
    assert costs[1] == 0
    assert costs[2] > 0


def test_the_key_follows_everything_that_the_result_depends_on(team: Any) -> None:
    def key(kind: str = "http", **settings: Any) -> str:
        return cache.fingerprint(str(team.pk), kind, settings)

    assert key(url="a", method="GET") == key(method="GET", url="a")
    assert len({key(url="a"), key(url="b"), key("tool", url="a"), key(url="a", body=None)}) == 4


def test_keeping_a_result_twice_keeps_the_later_one(team: Any) -> None:
    for output in (1, 2):
        cache.keep_result(str(team.pk), "k", "http", Done(output), 60)

    assert cache.find_result(str(team.pk), "k") == Done(2, is_cached=True)
