"""What agents can do and what is required of them; and who is chosen."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra.engine.capabilities import BadCapability, as_text, can_handle, read, read_all, shortfalls
from orchestra.engine.selection import STRATEGIES, Candidate, choose


def test_a_capability_as_text_and_as_an_object_are_the_same() -> None:
    text = "translate;languages=de|fr;characters=8000;live"

    found = read(text)

    assert found == {"name": "translate", "languages": ["de", "fr"], "characters": 8000, "live": True}
    assert read(as_text(found)) == found == read(found)


@pytest.mark.parametrize(
    ("have", "need", "fits"),
    [
        ("write", "write", True),
        ("write", "read", False),
        ("translate;languages=de|fr", "translate;languages=fr", True),
        ("translate;languages=de|fr", "translate;languages=fr|it", False),
        ("read;context=8000", "read;context=8000", True),
        ("read;context=8000", "read;context=8001", False),
        ("rent;min_days=3", "rent;min_days=2", False),
        ("rent;min_days=3", "rent;min_days=4", True),
        ("see;region=eu", "see;region=us", False),
        ("see", "see;region=us", True),
        ("see", "see;colour", False),
        ("see;colour", "see;colour", True),
    ],
)
def test_constraints_are_compared_by_what_they_are(have: str, need: str, fits: bool) -> None:
    assert can_handle([read(have)], [read(need)]) is fits


def test_one_of_several_of_the_same_name_is_enough_and_what_is_missing_is_said() -> None:
    have = read_all(["translate;languages=de", "translate;languages=fr", "write"])

    assert shortfalls(have, read_all(["translate;languages=fr", "write"])) == []
    assert shortfalls(have, read_all(["translate;languages=it", "paint"])) == [
        "translate: languages=it is needed, it has de.",
        "It cannot paint.",
    ]


@pytest.mark.parametrize(
    "raw",
    ["", ";x=1", "a;B=1", "a" * 61, {"name": ""}, {"name": "a", "x": {}}, {"name": "a", "x": "p|q"}, 7, None],
)
def test_what_is_no_capability_is_refused(raw: Any) -> None:
    with pytest.raises(BadCapability):
        read(raw)


FREE = [
    Candidate("1", "slow", "remote", running=0, slots=4, latency=9.0, idle_since=5.0),
    Candidate("2", "quick", "remote", running=3, slots=4, latency=0.5, success=0.6, idle_since=9.0),
    Candidate("3", "sure", "remote", running=1, slots=4, latency=2.0, success=1.0, idle_since=7.0),
]


@pytest.mark.parametrize(
    ("strategy", "chosen"),
    [
        ("balanced", "quick"),
        ("least_busy", "slow"),
        ("fastest", "quick"),
        ("round_robin", "slow"),
    ],
)
def test_each_strategy_has_its_own_best(strategy: str, chosen: str) -> None:
    choice = choose(FREE, strategy)

    assert choice is not None
    assert choice.candidate.slug == chosen
    assert STRATEGIES[strategy][1] in choice.as_json()["reason"]
    assert choice.as_json()["considered"] == 3


def test_of_equals_chance_decides_and_of_none_nobody_is_chosen() -> None:
    twins = [Candidate("1", "a", "remote"), Candidate("2", "b", "remote")]
    chances = iter([0.9, 0.1])

    chosen = choose(twins, random=lambda: next(chances))

    assert chosen is not None
    assert chosen.candidate.slug == "b"
    assert choose([]) is None
