"""Compensation: what a run did is undone, the last first, before it ends badly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.runs.actions import cancel_run, fork_run, limits, retry_run, start_run, undo
from apps.runs.models import Run
from orchestra.engine.compiler import find_problems
from orchestra.errors import Conflict
from tests.running import nodes_of, wait_for_end, wait_until
from tests.runs import functions_for_tests as functions

DEFINITION = """
orchestra: 1
nodes:
  first:
    kind: function
    settings: {name: echo, arguments: {value: 1}}
    compensate: {nodes: {undo: {kind: function, settings: {name: test_flaky, arguments: {key: first, failures: 0}}}}}
  second:
    kind: function
    needs: [first]
    settings: {name: echo, arguments: {value: 2}}
    compensate: {nodes: {undo: {kind: function, settings: {name: %s, arguments: {key: second}}}}}
  last: {kind: function, needs: [second], settings: {name: %s, arguments: {key: last}}}
output: "{{ nodes.last.output }}"
"""


def saga(undo: str = "test_count", last: str = "test_broken") -> str:
    return DEFINITION % (undo, last)


@pytest.fixture(autouse=True)
def _fresh_functions() -> Any:
    functions.reset()
    yield
    for gate in functions.gates.values():
        gate.set()


def started(run: Run) -> list[str]:
    return list(run.events.filter(type="node.started").order_by("seq").values_list("node", flat=True))


def test_a_failed_run_undoes_the_last_first_and_keeps_its_own_error(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    workflow = publish_workflow(saga("test_broken"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert (run.status, run.error["node"], run.ends_as) == ("failed", "last", "failed")
    undone = [path for path in started(run) if "$undo" in path]
    assert [path for path in undone if path.endswith("undo")] == ["second$undo[0].undo", "first$undo[0].undo"]
    nodes = nodes_of(run)
    assert (nodes["second$undo[0].undo"].status, nodes["second$undo[0]"].status) == ("failed", "failed")
    assert (nodes["first$undo[0].undo"].status, functions.calls["first"]) == ("succeeded", 1)
    types = list(run.events.filter(node="").order_by("seq").values_list("type", flat=True))
    assert types == ["run.queued", "run.started", "run.undoing", "run.failed"]
    assert run.events.last().data["error"]["node"] == "last"
    assert run.nodes_total == run.nodes_done == 5


def test_a_run_that_succeeds_undoes_nothing(worker: Any, publish_workflow: Any, editor: Any) -> None:
    workflow = publish_workflow(saga(last="test_count"))

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert (run.status, run.ends_as) == ("succeeded", "")
    assert not [path for path in nodes_of(run) if "$undo" in path]


def test_a_cancelled_run_undoes_what_it_did_and_is_cancelled_then(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    run = start_run(workflow=publish_workflow(saga(last="test_gate")), input={}, by=editor)
    wait_until(run, lambda _: functions.calls["last"] == 1)

    cancel_run(run=run, by=editor)

    run = wait_for_end(run)
    assert (run.status, run.error) == ("cancelled", None)
    assert nodes_of(run)["last"].status == "cancelled"
    assert [path for path in started(run) if path.endswith(".undo")] == [
        "second$undo[0].undo",
        "first$undo[0].undo",
    ]


def test_cancelling_again_stops_the_undoing(worker: Any, publish_workflow: Any, editor: Any) -> None:
    run = start_run(workflow=publish_workflow(saga("test_gate", "test_broken")), input={}, by=editor)
    wait_until(run, lambda _: functions.calls["second"] == 1)

    run = cancel_run(run=run, by=editor)

    assert run.status == "cancelled"
    assert nodes_of(run)["second$undo[0].undo"].status == "cancelled"
    with pytest.raises(Conflict):
        cancel_run(run=run, by=editor)


def test_a_run_over_its_time_is_undone_and_the_undoing_has_time(
    worker: Any, publish_workflow: Any, editor: Any
) -> None:
    text = saga("test_gate", "test_gate").replace("orchestra: 1", "orchestra: 1\nlimits: {duration: 3600}")
    run = start_run(workflow=publish_workflow(text), input={}, by=editor)
    wait_until(run, lambda _: functions.calls["last"] == 1)
    Run.objects.filter(pk=run.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))

    assert limits.end_overdue() == 1
    wait_until(run, lambda _: functions.calls["second"] == 1)
    assert limits.end_overdue() == 0
    functions.gates["second"].set()

    run = wait_for_end(run)
    assert (run.status, run.error["code"]) == ("failed", "time_limit")


def test_what_was_undone_is_not_gone_on_from(worker: Any, publish_workflow: Any, editor: Any) -> None:
    run = wait_for_end(start_run(workflow=publish_workflow(saga()), input={}, by=editor))

    with pytest.raises(Conflict, match="undone"):
        retry_run(run=run, by=editor)
    fork = fork_run(run=run, by=editor)
    assert not fork.node_runs.filter(is_reused=True).exists()
    wait_for_end(fork)


def test_pages_and_api_show_the_undoing(worker: Any, publish_workflow: Any, editor: Any) -> None:
    run = wait_for_end(start_run(workflow=publish_workflow(saga("test_broken")), input={}, by=editor))
    client = Client()
    client.force_login(editor)

    page = client.get(f"/runs/{run.pk}/").content.decode()
    panel = client.get(f"/runs/{run.pk}/nodes/second/").content.decode()
    inner = client.get(f"/runs/{run.pk}/nodes/second$undo[0].undo/")
    item = client.get(f"/runs/{run.pk}/nodes/second$undo[0]/")
    told = client.get(f"/api/v1/runs/{run.pk}").json()
    node = client.get(f"/api/v1/runs/{run.pk}/nodes/second$undo[0].undo").json()

    assert "data-undo" in page
    assert "second$undo[0].undo" in panel
    assert (inner.status_code, item.status_code) == (200, 200)
    assert told["ends_as"] == "failed"
    assert node["status"] == "failed"


BODY = {"nodes": {"undo": {"kind": "transform", "settings": {"value": "{{ nodes.a.output }}"}}}}
NODE = {"kind": "transform", "settings": {"value": 1}}


@pytest.mark.parametrize(
    ("compensate", "problems"),
    [
        (BODY, []),
        ({}, [("nodes.a.compensate.nodes", "missing")]),
        (7, [("nodes.a.compensate", "bad_type")]),
        ({"nodes": {"x": {"kind": "nope"}}}, [("nodes.a.compensate.nodes.x.kind", "unknown_kind")]),
        (
            {"nodes": {"x": {**NODE, "compensate": BODY}}},
            [("nodes.a.compensate.nodes.x.compensate", "bad_value")],
        ),
        (
            {"nodes": {"x": {"kind": "transform", "settings": {"value": "{{ nodes.b.output }}"}}}},
            [("nodes.a.compensate.nodes.x.settings.value", "not_before")],
        ),
        (
            {"nodes": {"x": {"kind": "transform", "settings": {"value": "{{ item }}"}}}},
            [("nodes.a.compensate.nodes.x.settings.value", "unknown_name")],
        ),
    ],
)
def test_compensations_are_checked_when_they_are_saved(compensate: Any, problems: Any) -> None:
    nodes = {"a": {**NODE, "compensate": compensate}, "b": {**NODE, "needs": ["a"]}}

    found = find_problems({"orchestra": 1, "nodes": nodes})

    assert [(problem.path, problem.code) for problem in found] == problems


MANY = """
orchestra: 1
nodes:
  each:
    kind: map
    settings:
      items: "{{ [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }}"
      body:
        nodes:
          add:
            kind: function
            settings: {name: echo, arguments: {value: "{{ item }}"}}
            compensate: {nodes: {back: {kind: transform, settings: {value: "{{ item }}"}}}, output: "{{ index }}"}
        output: 1
  last: {kind: function, needs: [each], settings: {name: test_broken}}
"""


def test_many_are_undone_each_once_in_the_reverse_of_their_ends(
    worker: Any, publish_workflow: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "BATCH", 2)
    workflow = publish_workflow(MANY)

    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))

    assert run.status == "failed"
    made = run.node_runs.filter(node="add").order_by("-finished_at", "-id").values_list("path", flat=True)
    undone = run.node_runs.filter(path__endswith="$undo[0]").order_by("id").values_list("owner", "output")
    assert [owner.removesuffix("$undo") for owner, _output in undone] == list(made)
    assert sorted(output for _owner, output in undone) == list(range(12))
