"""What may be run before it is recorded what it builds on: only what has no effect, and only what ended here."""

from __future__ import annotations

from typing import Any

from orchestra.engine.ahead import Ahead
from orchestra.engine.compiler import compile_definition
from orchestra.engine.nodes import kind
from orchestra.engine.outcome import Done, Failed, Skipped
from orchestra.engine.plan import ITEM, Plan, PlanNode, Read
from orchestra.engine.scope import NodeResult
from tests.engine.graphs import definition_of

LLM = {"kind": "llm", "settings": {"agent": "writer", "prompt": "x"}}


def shape(value: object = 1, needs: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"kind": "transform", "needs": list(needs), "settings": {"value": value}, **more}


def plan_of(**nodes: Any) -> Plan:
    return compile_definition(definition_of(nodes))


def ahead(plan: Plan, *, cheap: bool = True, **options: Any) -> Ahead:
    options.setdefault("known", {})
    return Ahead(plan, is_pure=_is_pure, is_cheap=lambda _node: cheap, **options)


def _is_pure(node: PlanNode) -> bool:
    return kind(node.kind).is_pure


def names(found: tuple[PlanNode, ...]) -> list[str]:
    return [node.id for node in found]


def test_the_next_node_of_a_stretch_is_free_when_it_has_no_effect() -> None:
    plan = plan_of(a=shape(), b=shape(needs=("a",)), c={**LLM, "needs": ["b"]})
    following = ahead(plan, cheap=False)

    assert names(following.after(plan.nodes["a"], Done(1))) == ["b"]
    assert names(following.after(plan.nodes["b"], Done(1))) == []


def test_a_diamond_of_cheap_nodes_is_run_whole_in_one_place() -> None:
    plan = plan_of(a=shape(), b=shape(needs=("a",)), c=shape(needs=("a",)), d=shape(needs=("b", "c")))
    following = ahead(plan)

    assert names(following.after(plan.nodes["a"], Done(1))) == ["b", "c"]
    assert names(following.after(plan.nodes["b"], Done(1))) == []
    assert names(following.after(plan.nodes["c"], Done(1))) == ["d"]


def test_parallel_nodes_that_take_time_are_left_to_others() -> None:
    plan = plan_of(a=shape(), b=shape(needs=("a",)), c=shape(needs=("a",)))

    assert names(ahead(plan, cheap=False).after(plan.nodes["a"], Done(1))) == []


def test_other_segments_are_left_to_a_canvas_that_brings_them() -> None:
    plan = plan_of(a=shape(), b=shape(needs=("a",)), c=shape(needs=("a",)))

    assert names(ahead(plan, has_canvas=True).after(plan.nodes["a"], Done(1))) == []


def test_a_join_with_a_source_elsewhere_is_not_decided_here() -> None:
    plan = plan_of(a=shape(), b=shape(), c=shape(needs=("a", "b")))

    assert names(ahead(plan).after(plan.nodes["a"], Done(1))) == []


def test_a_port_that_was_not_taken_leads_nowhere() -> None:
    branch = {"kind": "branch", "settings": {"cases": [{"name": "yes", "when": "true"}], "else": "no"}}
    plan = plan_of(a=branch, b=shape(needs=("a.yes",)), c=shape(needs=("a.no",)))

    assert names(ahead(plan).after(plan.nodes["a"], Done(1, ports=("out", "yes")))) == ["b"]


def test_what_failed_or_was_skipped_frees_nothing() -> None:
    plan = plan_of(a=shape(), b=shape(needs=("a",)))

    assert names(ahead(plan).after(plan.nodes["a"], Failed({}))) == []
    assert names(ahead(plan).after(plan.nodes["a"], Skipped())) == []


def test_joins_that_can_be_decided_early_wait_for_the_database() -> None:
    plan = plan_of(
        a=shape(), b=shape(needs=("a",)), c=shape(needs=("a",)), d=shape(needs=("b", "c"), join="first")
    )
    following = ahead(plan)
    for name in "abc":
        found = following.after(plan.nodes[name], Done(1))

    assert names(found) == []


def test_a_node_that_reads_what_is_not_at_hand_waits() -> None:
    plan = plan_of(
        early=shape(), a={**LLM, "needs": ["early"]}, b=shape("{{ nodes.early.output }}", needs=("a",))
    )
    early = Read(0, "early")

    assert names(ahead(plan).after(plan.nodes["a"], Done({}))) == []
    following = ahead(plan, known={early: NodeResult(7, "succeeded")})
    assert names(following.after(plan.nodes["a"], Done({}))) == ["b"]
    assert following.reads_of(plan.nodes["b"]) == {early: NodeResult(7, "succeeded")}


def test_the_own_results_are_read_before_they_are_recorded() -> None:
    plan = plan_of(a=shape(), b=shape("{{ nodes.a.output }}", needs=("a",)))
    following = ahead(plan)
    following.after(plan.nodes["a"], Done(42))

    assert following.reads_of(plan.nodes["b"])[Read(0, "a")].output == 42


def test_an_item_ends_here_only_when_its_whole_body_did() -> None:
    body = {"nodes": {"a": shape(), "b": shape()}, "output": "{{ nodes.a.output }}"}
    plan = plan_of(each={"kind": "map", "settings": {"items": [1], "body": body}}).bodies["each"]
    following = ahead(plan)

    assert names(following.after(plan.nodes["a"], Done(1))) == []
    assert names(following.after(plan.nodes["b"], Done(1))) == [ITEM]
