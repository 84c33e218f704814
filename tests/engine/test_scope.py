"""What expressions see."""

from __future__ import annotations

from typing import Any

from orchestra.engine.plan import Read
from orchestra.engine.scope import NodeResult, reading_scope, scope_for
from tests.engine.contexts import plan_node

GIVEN: dict[str, Any] = {"inputs": {"a": 1}, "variables": {"b": 2}, "run": {"id": "r"}, "env": {"c": 3}}


def test_a_node_sees_what_it_reads_and_no_other_node() -> None:
    node = plan_node("llm", {}, reads=(Read(0, "near"), Read(1, "far"), Read(0, "late")))
    results = {
        Read(0, "near"): NodeResult({"text": "x"}, "succeeded"),
        Read(1, "far"): NodeResult(None, "failed", {"code": "e"}),
        Read(0, "far"): NodeResult("not this one", "succeeded"),
    }

    scope = scope_for(node, results, **GIVEN)

    assert scope == {
        "inputs": {"a": 1},
        "vars": {"b": 2},
        "run": {"id": "r"},
        "env": {"c": 3},
        "nodes": {
            "near": {"output": {"text": "x"}, "status": "succeeded", "error": None},
            "far": {"output": None, "status": "failed", "error": {"code": "e"}},
            "late": {"output": None, "status": "pending", "error": None},
        },
    }


def test_item_and_index_are_there_inside_a_body_only() -> None:
    inside = reading_scope((), {}, **GIVEN, item=None, index=0)
    outside = reading_scope((), {}, **GIVEN)

    assert (inside["item"], inside["index"]) == (None, 0)
    assert not {"item", "index"} & set(outside)
