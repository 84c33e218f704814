"""The checker of runs: silent about what is right, and a sentence for each thing that is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestra.engine.compiler import compile_definition
from tests.engine.graphs import CALL, LLM, definition_of
from tests.faults.invariants import Seen, SeenNode, violations
from tests.faults.real.effects import World
from tests.faults.real.outside import OWN_SECONDS, judge, longest_rest

PLAN = compile_definition(definition_of({"a": LLM, "b": {**CALL, "needs": ["a"]}}))
LOG = [
    "run.queued",
    "run.started",
    "node.started a",
    "node.succeeded a",
    "node.started b",
    "node.succeeded b",
]


def seen(log: list[str], statuses: Mapping[str, str] | None = None, **run: Any) -> Seen:
    """Return a run of two nodes as its log and its rows tell it."""
    statuses = statuses or {"a": "succeeded", "b": "succeeded"}
    events = []
    for seq, line in enumerate([*log, "run.succeeded"], start=1):
        type_, _, node = line.partition(" ")
        events.append({"seq": seq, "type": type_, "node": node, "at": f"2026-01-01T00:00:{seq:02}Z"})
    told = {"status": "succeeded", "nodes_done": 2, "nodes_total": 2, "seq": len(events)}
    return Seen(
        name="diamond 1",
        run={**told, **run},
        nodes={path: SeenNode(path, "llm", status) for path, status in statuses.items()},
        events=events,
        plan=PLAN,
        expected={"a": "succeeded", "b": "succeeded"},
    )


def test_a_run_that_is_right_is_passed() -> None:
    assert violations(seen(LOG)) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (seen([*LOG, "node.succeeded a"]), "more than once"),
        (seen([LOG[0], LOG[1], LOG[4], *LOG[2:4], LOG[5]]), "before its join"),
        (seen([*LOG, "node.started a"]), "although it had ended"),
        (seen(LOG, status="running"), "never ended"),
        (seen(LOG, {"a": "succeeded", "b": "running"}), "although nodes are"),
        (seen(LOG, {"a": "succeeded", "b": "failed"}), "ended untruly"),
        (seen(LOG, {"a": "succeeded"}), "lacks"),
        (seen(LOG, nodes_done=3), "ended nodes"),
        (seen(LOG, nodes_total=3), "counts 3 nodes"),
        (seen(LOG, seq=4), "says 4 events"),
        (seen([*LOG, "run.failed"]), "ended 2 times"),
        (replace(seen(LOG), events=seen(LOG).events[1:]), "gaps"),
        (replace(seen(LOG), attempts={"a": (1, 2)}), "what attempt 1 of a brought as attempt 2"),
    ],
)
def test_what_is_wrong_is_said(wrong: Seen, word: str) -> None:
    assert word in "\n".join(violations(wrong))


def test_an_effect_that_reached_the_world_twice_is_told() -> None:
    world = World()
    world.calls["1/pay"] = 2
    world.close()

    found = judge(replace(seen(LOG), name="once 1"), world)

    assert found == ["once 1: its effect reached the world 2 times"]


def test_only_the_rest_after_the_end_of_a_fault_counts() -> None:
    still = seen(LOG)
    start = 1767225600.0  # 2026-01-01
    events = [
        {**event, "at": f"2026-01-01T00:{4 if event['seq'] > 3 else 0:02}:00Z"} for event in still.events
    ]
    still = replace(still, events=events)

    assert longest_rest(still, []) == 240 - OWN_SECONDS
    assert longest_rest(still, [("kill", start + 100, start + 200)]) == 40 - OWN_SECONDS
    assert longest_rest(still, [("freeze", start + 100, start + 300)]) == 0
