"""Every call of a model is written down once, and every sum over the calls is the same."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from apps.agents.actions import create_agent
from apps.runs.actions import cancel_run, fork_run, retry_run, start_run
from apps.runs.models import NodeRun, Run
from apps.usage.models import ModelCall
from apps.usage.serializers import period_of
from apps.usage.sums import GROUPS, Only, calls_of, grouped, total_of
from tests.running import nodes_of, wait_for_end, wait_until_idle

CHILD = """
orchestra: 1
nodes: {say: {kind: llm, settings: {prompt: "Say something short"}}}
output: "{{ nodes.say.output.text }}"
"""
PARENT = """
orchestra: 1
nodes:
  kept: {kind: llm, cache: 60, settings: {prompt: "Say what is kept"}}
  cut: {kind: llm, retry: {max: 1, base: 0.01}, settings: {prompt: "[[simulate fail=cut:3]] Say it twice"}}
  works:
    kind: agent
    settings: {agent: writer, tools: [count_words], task: "Go.\\n[[call count_words {\\"text\\": \\"a b\\"}]]"}
  each: {kind: map, settings: {items: [1, 2], body: {nodes: {one: {kind: llm, settings: {prompt: "Say {{ item }}"}}}}}}
  inner: {kind: workflow, settings: {workflow: child}}
  free: {kind: transform, settings: {value: 1}}
"""


def sums_of(rows: Any) -> tuple[int, int, Decimal]:
    found = rows.aggregate(i=Sum("input_tokens"), o=Sum("output_tokens"), c=Sum("cost"))
    return found["i"] or 0, found["o"] or 0, Decimal(found["c"] or 0).quantize(Decimal("1e-8"))


def check_levels(run: Run) -> None:
    """See that a run's calls, its nodes and the run itself say the same; children count for their parent's node."""
    run.refresh_from_db()
    of_calls = sums_of(ModelCall.objects.filter(run=run.pk))
    of_children = [sums_of(Run.objects.filter(pk=child.pk)) for child in run.children.all()]
    together = tuple(sum(parts) for parts in zip(of_calls, *of_children, strict=True))

    assert together == sums_of(NodeRun.objects.filter(run=run)) == sums_of(Run.objects.filter(pk=run.pk))
    for node in run.node_runs.exclude(kind="workflow"):
        calls = sums_of(ModelCall.objects.filter(run=run.pk, node=node.path))
        assert calls == (node.input_tokens, node.output_tokens, node.cost), node.path


def test_the_sums_of_calls_are_equal_at_every_level(
    worker: Any, publish_workflow: Any, team: Any, editor: Any, paid: Any
) -> None:
    create_agent(team=team, name="Writer", slug="writer", connection=paid, by=editor)
    publish_workflow(CHILD, name="Child")
    workflow = publish_workflow(PARENT, name="Parent")

    first = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    again = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    fork = wait_for_end(fork_run(run=first, again=["cut"], by=editor))
    wait_until_idle(worker)

    assert first.status == again.status == fork.status == "succeeded", (first.error, fork.error)
    for run in (first, again, fork):
        check_levels(run)
    assert nodes_of(first)["cut"].attempt == 2
    cut = ModelCall.objects.filter(run=first.pk, node="cut").order_by("id")
    assert [(call.failed, call.error, call.is_estimated) for call in cut] == [
        (1, "model_unavailable", True),
        (0, "", False),
    ]
    assert nodes_of(again)["kept"].is_cached
    assert not ModelCall.objects.filter(run=again.pk, node="kept").exists()
    assert set(ModelCall.objects.filter(run=fork.pk).values_list("node", flat=True)) == {"cut"}
    works = ModelCall.objects.filter(run=first.pk, node="works")
    assert {(call.agent, call.connection, call.input_price) for call in works} == {("writer", "paid", 1000.0)}
    assert works.count() == 2
    assert not ModelCall.objects.filter(node="free").exists()

    rows = calls_of(editor, team, period_of({}, editor), Only())
    whole = total_of(rows)
    assert (whole.input_tokens, whole.output_tokens, whole.cost) == sums_of(Run.objects.filter(is_part=False))
    for by in GROUPS:
        lines = grouped(rows, by, period_of({}, editor))
        assert sum(line.cost for line in lines) == whole.cost > 0, by
        assert sum(line.tokens for line in lines) == whole.tokens, by
        assert sum(line.calls for line in lines) == whole.calls, by


def test_what_a_cancelled_stream_had_cost_is_charged_once(
    worker: Any, publish_workflow: Any, editor: Any, paid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = "[[simulate tps=30]] " + "Write a long report about cats. " * 20
    workflow = publish_workflow(
        {"orchestra": 1, "nodes": {"say": {"kind": "llm", "settings": {"prompt": prompt}}}}
    )
    texts, has_begun = worker.pool.host.texts, threading.Event()
    add = texts.add
    monkeypatch.setattr(texts, "add", lambda *given: (add(*given), has_begun.set()))

    run = start_run(workflow=workflow, input={}, by=editor)
    assert has_begun.wait(30)
    cancel_run(run=run, by=editor)
    wait_until_idle(worker)

    call = ModelCall.objects.get(run=run.pk)
    assert (call.error, call.is_estimated, call.failed) == ("cancelled", True, 1)
    assert call.output_tokens > 0
    assert Run.objects.get().status == "cancelled"
    check_levels(run)


def test_a_node_that_is_retried_by_hand_adds_to_what_it_cost(
    worker: Any, publish_workflow: Any, editor: Any, paid: Any
) -> None:
    settings = {"prompt": "[[answer no]]\nSay it", "schema": {"type": "object"}}
    workflow = publish_workflow(
        {"orchestra": 1, "nodes": {"say": {"kind": "llm", "retry": {"max": 0}, "settings": settings}}}
    )
    run = wait_for_end(start_run(workflow=workflow, input={}, by=editor))
    assert run.status == "failed"
    before = run.cost

    retry_run(run=run, by=editor)
    wait_for_end(run)

    assert run.cost == 2 * before > 0
    assert ModelCall.objects.filter(run=run.pk).count() == 6
    check_levels(run)
