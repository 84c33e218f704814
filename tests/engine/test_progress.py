"""Joins, skips and counts, one arrival after the other."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.compiler import compile_definition
from orchestra.engine.plan import ERROR, OUT
from orchestra.engine.progress import Count
from tests.engine.counts import Scope
from tests.engine.graphs import BRANCH, LLM, definition_of


def scope(**nodes: Any) -> Scope:
    return Scope(compile_definition(definition_of(nodes, variables={"go_left": True})))


def llm(*needs: str, **more: Any) -> dict[str, Any]:
    return {**LLM, "needs": list(needs), **more}


LIVE, DEAD = (OUT,), ()


def fan(join: Any, width: int = 3) -> Scope:
    """s0, s1, s2 → end → after"""
    sources = {f"s{number}": llm() for number in range(width)}
    return scope(**sources, end=llm(*sources, join=join), after=llm("end"))


def play(join: Any, arrivals: list[tuple[str, ...]]) -> list[str]:
    """Let the sources arrive in turn; return what each arrival did to `end`."""
    run = fan(join, len(arrivals))
    told = []
    for number, ports in enumerate(arrivals):
        progress = run.arrive((f"s{number}", ports))
        told.append("ready" if "end" in progress.ready else "skipped" if "end" in progress.skipped else "-")
    return told


@pytest.mark.parametrize(
    ("join", "arrivals", "told"),
    [
        ("any", [LIVE, LIVE, LIVE], ["-", "-", "ready"]),
        ("any", [DEAD, DEAD, LIVE], ["-", "-", "ready"]),
        ("any", [LIVE, DEAD, DEAD], ["-", "-", "ready"]),
        ("any", [DEAD, DEAD, DEAD], ["-", "-", "skipped"]),
        ("all", [LIVE, LIVE, LIVE], ["-", "-", "ready"]),
        ("all", [LIVE, DEAD, LIVE], ["-", "skipped", "-"]),
        ("all", [DEAD, DEAD, DEAD], ["skipped", "-", "-"]),
        ("first", [DEAD, LIVE, LIVE], ["-", "ready", "-"]),
        ("first", [LIVE, DEAD, LIVE], ["ready", "-", "-"]),
        ("first", [DEAD, DEAD, DEAD], ["-", "-", "skipped"]),
        ("done", [DEAD, LIVE, DEAD], ["-", "-", "ready"]),
        ("done", [DEAD, DEAD, DEAD], ["-", "-", "ready"]),
        ({"quorum": 2}, [LIVE, DEAD, LIVE], ["-", "-", "ready"]),
        ({"quorum": 2}, [LIVE, LIVE, LIVE], ["-", "ready", "-"]),
        ({"quorum": 2}, [DEAD, LIVE, DEAD], ["-", "-", "skipped"]),
        ({"quorum": 2}, [DEAD, DEAD, LIVE], ["-", "skipped", "-"]),
        ({"quorum": 3}, [LIVE, DEAD, LIVE], ["-", "skipped", "-"]),
    ],
)
def test_a_join_is_decided_as_soon_as_it_can_be_and_only_once(
    join: Any, arrivals: Any, told: list[str]
) -> None:
    assert play(join, arrivals) == told


def test_a_single_edge_needs_no_count() -> None:
    run = scope(a=llm(), b=llm("a"), c=llm("a", join="done"))

    alive, dead = (
        run.arrive(("a", LIVE)),
        scope(a=llm(), b=llm("a"), c=llm("a", join="done")).arrive(("a", DEAD)),
    )

    assert (alive.ready, alive.skipped, alive.counts) == (("b", "c"), (), {})
    assert (dead.ready, dead.skipped) == (("c",), ("b",))
    assert run.loaded == []
    assert run.counts == {}


def test_ports_decide_which_edges_are_live() -> None:
    run = scope(a=BRANCH, left=llm("a.left"), right=llm("a.right"), any_way=llm("a"), oops=llm("a.error"))

    progress = run.arrive(("a", (OUT, "left")))

    assert set(progress.ready) == {"left", "any_way"}
    assert set(progress.skipped) == {"right", "oops"}


def test_a_failure_goes_by_its_error_edge() -> None:
    run = scope(a=llm(), use=llm("a"), excuse=llm("a.error"))

    progress = run.arrive(("a", (ERROR,)))

    assert (progress.ready, progress.skipped) == (("excuse",), ("use",))


def test_skips_spread_in_the_same_call_until_a_join_stops_them() -> None:
    run = scope(
        a=llm(),
        b=llm("a"),
        c=llm("b"),
        d=llm("c", "b"),
        other=llm(),
        stop=llm("d", "other"),
        tidy=llm("d", join="done"),
    )

    progress = run.arrive(("a", DEAD))

    assert progress.skipped == ("b", "c", "d")
    assert progress.ready == ("tidy",)
    assert progress.counts["stop"] == Count(unsettled=1, live=0)
    assert run.arrive(("other", LIVE)).ready == ("stop",)


def test_arrivals_in_one_call_count_together() -> None:
    run = fan("any")

    progress = run.arrive(("s0", LIVE), ("s1", DEAD), ("s2", LIVE))

    assert progress.ready == ("end",)
    assert progress.counts == {"end": Count(0, 2, is_decided=True)}


def test_late_arrivals_are_counted_but_change_nothing() -> None:
    run = fan("first")
    run.arrive(("s0", LIVE))

    late = run.arrive(("s1", LIVE))

    assert (late.ready, late.skipped) == ((), ())
    assert late.counts == {"end": Count(1, 2, is_decided=True)}


def test_each_count_is_loaded_once_and_only_where_an_edge_leads() -> None:
    run = scope(a=llm(), b=llm(), c=llm("a", "b"), d=llm("a", "c"), apart=llm("b", "e"), e=llm())

    run.arrive(("a", DEAD))

    assert sorted(run.loaded) == ["c", "d"]


def test_two_ports_of_one_node_can_meet_in_a_join() -> None:
    run = scope(a=BRANCH, b=llm("a.left", "a.right"), c=llm("a.left", "a", join="all"))

    progress = run.arrive(("a", (OUT, "left")))

    assert set(progress.ready) == {"b", "c"}
