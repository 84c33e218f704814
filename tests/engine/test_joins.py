"""Joins that can never be met."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.graphs import branch, found, llm


@pytest.mark.parametrize(
    ("needs", "join", "is_fine"),
    [
        (["r.good", "r.weak"], "all", False),
        (["r.good", "r.weak"], "any", True),
        (["r.good", "r.weak"], {"quorum": 2}, False),
        (["r.good", "r"], "all", True),
        (["r.good", "r.error"], "all", False),
        (["r", "r.error"], {"quorum": 2}, False),
        (["good", "weak"], "all", False),
        (["good", "weak"], "any", True),
        (["good", "weak"], "done", True),
        (["good", "either"], "all", True),
        (["later", "weak"], "all", False),
        (["later", "failed"], "all", False),
    ],
)
def test_joins_that_can_never_be_met_are_found(needs: list[str], join: Any, is_fine: bool) -> None:
    nodes = {
        "r": branch("good", "weak"),
        "good": llm(needs=["r.good"]),
        "weak": llm(needs=["r.weak"]),
        "later": llm(needs=["good"]),
        "either": llm(needs=["good", "weak"]),
        "failed": llm(needs=["r.error"]),
        "end": llm(needs=needs, join=join),
    }

    assert found(nodes) == ([] if is_fine else [("nodes.end.join", "join_never_met")])


def test_ports_of_a_branch_in_mode_many_go_together_except_else() -> None:
    many = {
        "kind": "branch",
        "settings": {"mode": "many", "cases": [{"name": "a", "when": "true"}, {"name": "b", "when": "true"}]},
    }

    assert found({"r": many, "end": llm(needs=["r.a", "r.b"], join="all")}) == []
    assert found({"r": many, "end": llm(needs=["r.a", "r.else"], join="all")}) == [
        ("nodes.end.join", "join_never_met")
    ]
