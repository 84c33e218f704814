"""Load balancing: shares, stickiness, and what happens to the others when one goes."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.llm.balance import (
    HASH,
    LATENCY,
    RESOURCE,
    ROUND_ROBIN,
    STRATEGIES,
    WEIGHTED,
    Candidate,
    Meter,
    in_order,
)

PLACES = [Candidate("a"), Candidate("b", 2.0), Candidate("c", 5.0)]
EQUAL = [Candidate(str(number)) for number in range(10)]


def firsts(strategy: str, candidates: list[Candidate], calls: int, **fields: Any) -> Counter[str]:
    meters: dict[str, Meter] = defaultdict(Meter)
    random = Random(7).random
    found = (in_order(strategy, candidates, meters, random=random, **fields)[0].id for _ in range(calls))
    return Counter(found)


@given(
    strategy=st.sampled_from([*STRATEGIES, "unknown"]),
    weights=st.lists(st.floats(0.1, 100), min_size=1, max_size=8),
    user=st.text(max_size=20),
    seed=st.integers(),
)
def test_every_strategy_puts_every_candidate_into_an_order(
    strategy: str, weights: list[float], user: str, seed: int
) -> None:
    candidates = [Candidate(str(number), weight) for number, weight in enumerate(weights)]

    found = in_order(strategy, candidates, defaultdict(Meter), user=user, random=Random(seed).random)

    assert sorted(one.id for one in found) == sorted(one.id for one in candidates)


def test_round_robin_gives_each_exactly_its_share_and_no_bursts() -> None:
    assert firsts(ROUND_ROBIN, PLACES, 80) == {"a": 10, "b": 20, "c": 50}
    assert firsts(ROUND_ROBIN, EQUAL, 10) == Counter({one.id: 1 for one in EQUAL})


def test_chance_by_weight_comes_near_the_shares() -> None:
    found = firsts(WEIGHTED, PLACES, 8000)

    assert found["a"] == pytest.approx(1000, rel=0.15)
    assert found["c"] == pytest.approx(5000, rel=0.15)


def test_a_user_stays_at_one_place_and_few_move_when_one_goes() -> None:
    users = [f"user-{number}" for number in range(2000)]

    def place(candidates: list[Candidate], user: str) -> str:
        return in_order(HASH, candidates, {}, user=user, random=lambda: 0.5)[0].id

    before = {user: place(EQUAL, user) for user in users}
    after = {user: place(EQUAL[1:], user) for user in users}

    moved = [user for user in users if before[user] != after[user]]
    assert all(before[user] == "0" for user in moved)
    assert len(moved) == pytest.approx(200, rel=0.3)
    assert before == {user: place(EQUAL, user) for user in users}


def test_the_place_with_least_under_way_for_its_weight_goes_first() -> None:
    meters = {"a": Meter(in_flight=1), "b": Meter(in_flight=2), "c": Meter(in_flight=20)}

    assert [one.id for one in in_order(RESOURCE, PLACES, meters, random=lambda: 0.5)] == ["b", "a", "c"]


def test_quick_places_get_more_calls_and_slow_ones_are_not_forgotten() -> None:
    meters = {one.id: Meter() for one in EQUAL[:3]}
    random = Random(3).random
    seen: Counter[str] = Counter()
    for step in range(3000):
        now = step * 0.1
        first = in_order(LATENCY, EQUAL[:3], meters, now=now, random=random)[0].id
        seen[first] += 1
        meters[first].measure({"0": 0.01, "1": 0.05, "2": 2.0}[first], now)

    assert seen["0"] > seen["1"] > seen["2"] > 0


def test_a_failure_counts_as_slow_and_fades() -> None:
    meter = Meter()
    meter.measure(0.1, now=0.0)
    meter.measure(0.01, now=1.0, has_failed=True)

    assert meter.expected(1.0) > 0.1
    assert meter.expected(1000.0) < 0.001


@given(st.lists(st.sampled_from(["begin", "end"])))
def test_calls_under_way_are_never_less_than_none(steps: list[str]) -> None:
    meter = Meter()
    for step in steps:
        meter.begin() if step == "begin" else meter.end()
        assert meter.in_flight >= 0
