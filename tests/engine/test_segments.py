"""Fusion: what one message runs."""

from __future__ import annotations

from typing import Any

from orchestra.engine.compiler import compile_definition
from orchestra.engine.plan import Plan
from tests.engine.graphs import BRANCH, CALL, HTTP, LLM, MAP, SHAPE, definition_of


def plan_of(nodes: dict[str, Any]) -> Plan:
    return compile_definition(definition_of(nodes, variables={"go_left": True}))


def segments(nodes: dict[str, Any]) -> list[str]:
    return [f"{segment.queue}: {' '.join(segment.nodes)}" for segment in plan_of(nodes).segments]


def row(*kinds: dict[str, Any]) -> dict[str, Any]:
    """a → b → c …"""
    names = "abcdefghij"[: len(kinds)]
    return {
        name: {**kind, "needs": list(before)}
        for name, kind, before in zip(names, kinds, ["", *names], strict=False)
    }


def test_neighbours_of_one_queue_are_one_segment() -> None:
    assert segments(row(LLM, LLM, LLM)) == ["llm: a b c"]


def test_another_queue_starts_another_segment() -> None:
    assert segments(row(LLM, HTTP, HTTP, CALL)) == ["llm: a", "io: b c", "cpu: d"]


def test_inline_kinds_are_absorbed_on_either_side() -> None:
    assert segments(row(SHAPE, LLM, SHAPE, SHAPE, LLM, HTTP)) == ["llm: a b c d e", "io: f"]


def test_inline_kinds_alone_go_to_control() -> None:
    assert segments(row(SHAPE, SHAPE)) == ["control: a b"]


def test_a_map_ends_its_segment() -> None:
    assert segments(row(LLM, MAP, SHAPE, LLM)) == ["llm: a b", "llm: c d"]


def test_a_fork_and_a_join_are_borders() -> None:
    nodes = {
        "a": LLM,
        "b": {**LLM, "needs": ["a"]},
        "c": {**LLM, "needs": ["a"]},
        "d": {**LLM, "needs": ["b", "c"]},
    }

    assert segments(nodes) == ["llm: a", "llm: b", "llm: c", "llm: d"]


def test_two_ports_to_one_node_are_one_neighbour() -> None:
    nodes = {"a": BRANCH, "b": {**LLM, "needs": ["a.left", "a.right"]}}

    assert segments(nodes) == ["llm: a b"]


def test_a_node_with_a_queue_or_priority_of_its_own_stands_apart() -> None:
    assert segments(row(LLM, {**LLM, "queue": "io"}, LLM)) == ["llm: a", "io: b", "llm: c"]
    assert segments(row(LLM, {**LLM, "priority": "high"}, LLM)) == ["llm: a", "llm: b", "llm: c"]


def test_a_segment_holds_64_nodes_at_most() -> None:
    nodes = {f"n{number}": {**LLM, "needs": [f"n{number - 1}"] if number else []} for number in range(150)}

    plan = plan_of(nodes)

    assert [len(segment.nodes) for segment in plan.segments] == [64, 64, 22]
