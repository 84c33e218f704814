"""The simulator: virtual time, maps, retries; and that it notices a plan that breaks its promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestra.engine.carrier import SimulationError
from orchestra.engine.compiler import compile_definition
from orchestra.engine.outcome import Done, Outcome, Suspend
from orchestra.engine.plan import Plan, PlanNode, Tree, Unit
from orchestra.engine.simulate import simulate
from orchestra.engine.status import NodeStatus, RunStatus
from orchestra.errors import ToolUnavailable
from tests.engine.graphs import HTTP, LLM, definition_of, llm, succeed


def plan_of(nodes: Mapping[str, Any], **more: Any) -> Plan:
    return compile_definition(definition_of(nodes, **more))


def seconds(path: str) -> float:
    """`a3` takes 3 seconds."""
    return float(path[-1])


def test_a_node_starts_when_the_last_of_its_sources_ends() -> None:
    nodes = {"a1": LLM, "b5": HTTP, "c2": {**HTTP, "needs": ["a1"]}, "d1": {**LLM, "needs": ["b5", "c2"]}}

    ended = simulate(plan_of(nodes), {}, behave=succeed, duration=seconds)

    assert (ended.nodes["c2"].started, ended.nodes["d1"].started, ended.makespan) == (1, 5, 6)
    assert ended.status == RunStatus.SUCCEEDED


def test_a_first_join_does_not_wait() -> None:
    nodes = {"a1": LLM, "b5": HTTP, "c1": {**LLM, "needs": ["a1", "b5"], "join": "first"}}

    ended = simulate(plan_of(nodes), {}, behave=succeed, duration=seconds)

    assert (ended.nodes["c1"].started, ended.nodes["b5"].finished, ended.makespan) == (1, 5, 5)


def test_items_run_so_many_at_once() -> None:
    settings = {
        "items": [1, 2, 3, 4, 5],
        "concurrency": 2,
        "body": {"nodes": {"w": LLM}, "output": "{{ item * 10 }}"},
    }
    plan = plan_of({"m": {"kind": "map", "settings": settings}}, output="{{ nodes.m.output.items }}")

    ended = simulate(plan, {}, behave=succeed)

    assert [ended.nodes[f"m[{index}].w"].started for index in range(5)] == [0, 0, 1, 1, 2]
    assert ended.makespan == 3
    assert ended.output == [10, 20, 30, 40, 50]


def test_retries_take_their_delay() -> None:
    plan = plan_of({"a": {**LLM, "retry": {"max": 3, "base": 2, "factor": 2, "jitter": False}}})
    calls = []

    def act(path: str, node: PlanNode, scope: Mapping[str, Any]) -> Outcome:
        calls.append(path)
        if len(calls) < 3:
            raise ToolUnavailable("Not yet.")
        return Done("at last")

    ended = simulate(plan, {}, behave=act)

    assert (ended.nodes["a"].attempts, ended.nodes["a"].error) == (3, None)
    assert ended.makespan == 1 + 2 + 1 + 4 + 1


def test_behaviour_sees_evaluated_settings_and_the_scope() -> None:
    seen: list[Any] = []

    def act(path: str, node: PlanNode, scope: Mapping[str, Any]) -> Outcome:
        seen.append((node.settings["prompt"], scope["inputs"]))
        return Done()

    simulate(plan_of({"a": llm("{{ inputs.x }}!")}, inputs={"properties": {"x": {}}}), {"x": 3}, behave=act)

    assert seen == [("3!", {"x": 3})]


def test_an_output_that_cannot_be_evaluated_fails_the_run() -> None:
    ended = simulate(plan_of({"a": LLM}, output="{{ 1 / 0 }}"), {}, behave=succeed)

    assert ended.status == RunStatus.FAILED
    assert ended.error is not None
    assert ended.error["code"] == "expression_error"
    assert ended.nodes["a"].status == NodeStatus.SUCCEEDED


def test_waiting_for_the_world_is_not_simulated() -> None:
    with pytest.raises(SimulationError):
        simulate(plan_of({"a": LLM}), {}, behave=lambda path, node, scope: Suspend("a person"))


def test_a_canvas_that_would_start_a_node_too_early_is_noticed() -> None:
    plan = plan_of({"a": LLM, "b": HTTP, "c": {**LLM, "needs": ["a", "b"]}})
    numbers = {segment.nodes[0]: number for number, segment in enumerate(plan.segments)}
    chain = Tree("series", children=(Tree("leaf", numbers["a"]), Tree("leaf", numbers["c"])))
    broken = (
        Unit(chain, (), (numbers["a"], numbers["c"])),
        Unit(Tree("leaf", numbers["b"]), (), (numbers["b"],)),
    )

    with pytest.raises(SimulationError, match="reached"):
        simulate(
            replace(plan, units=broken), {}, behave=succeed, duration=lambda path: 9.0 if path == "b" else 1.0
        )


def test_a_gate_that_never_opens_is_noticed() -> None:
    plan = plan_of({"a": LLM, "b": {**HTTP, "needs": ["a"]}})
    stuck = (replace(plan.units[0], tree=Tree("leaf", 0), segments=(0,)), Unit(Tree("leaf", 1), ("b",), (1,)))

    with pytest.raises(SimulationError, match="never settled"):
        simulate(replace(plan, units=stuck), {}, behave=succeed)
