"""Who may call now: rates, calls under way, pauses, fair shares, and who waits in person."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.llm.limits import (
    HELD,
    MINUTE,
    Asking,
    Limits,
    admit,
    keep,
    pause,
    release,
    under_way,
)

START = 1_700_000_000_000


def who(team: str = "a", *, holder: str = "w1", is_interactive: bool = False, tokens: int = 0) -> Asking:
    return Asking(holder, team, is_interactive, tokens)


def knocking(limits: Limits, asking: Asking, minutes: float, seed: int = 1) -> list[int]:
    """Return when calls began of somebody who asks all the time and ends each call at once."""
    state: dict[str, Any] = {}
    now, began, dice = START, [], random.Random(seed)
    while now < START + minutes * MINUTE:
        if not admit(state, limits, asking, now).limit:
            began.append(now)
            release(state, limits, asking, now, began=now, tokens=None)
        now += dice.randint(1, 400)
    return began


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 600), st.integers(0, 1000))
def test_no_minute_has_more_requests_than_the_limit(limit: int, seed: int) -> None:
    began = knocking(Limits(requests=limit), who(), 3, seed)

    for first in began[:: max(1, len(began) // 50)]:
        assert sum(first <= at < first + MINUTE for at in began) <= limit
    assert len(began) >= min(limit, 100) * 2.2 - 2  # most of what is allowed is used


def test_no_minute_has_more_tokens_than_the_limit() -> None:
    began = knocking(Limits(tokens=10_000), who(tokens=700), 3)

    for first in began:
        assert sum(first <= at < first + MINUTE for at in began) * 700 <= 10_000


def test_what_a_call_really_took_is_what_counts() -> None:
    limits, asking = Limits(tokens=6000), who(tokens=100)
    state: dict[str, Any] = {}
    assert not admit(state, limits, asking, START).limit

    release(state, limits, asking, START, began=START, tokens=3000)

    verdict = admit(state, limits, asking, START + 10_000)
    assert verdict.limit == "tokens"
    assert not admit(state, limits, asking, START + 40_000).limit


def test_calls_under_way_are_bounded_over_all_processes() -> None:
    limits = Limits(concurrency=3)
    state: dict[str, Any] = {}

    verdicts = [admit(state, limits, who(holder=f"w{i}"), START).limit for i in range(5)]
    release(state, limits, who(holder="w0"), START + 5, began=START, tokens=None)

    assert verdicts == ["", "", "", "concurrency", "concurrency"]
    assert not admit(state, limits, who(holder="w9"), START + 10).limit
    assert under_way(state) == 3


def test_calls_of_a_process_that_died_are_free_again_and_those_of_the_living_are_not() -> None:
    limits = Limits(concurrency=2)
    state: dict[str, Any] = {}
    admit(state, limits, who(holder="dead"), START)
    admit(state, limits, who(holder="alive"), START)
    keep(state, "alive", START + HELD - 1)

    later = START + HELD + 1

    assert not admit(state, limits, who(holder="new"), later).limit
    assert admit(state, limits, who(holder="new"), later).limit == "concurrency"


def test_a_pause_of_the_provider_holds_for_all() -> None:
    state: dict[str, Any] = {}
    pause(state, START, 30)

    for team in ("a", "b"):
        verdict = admit(state, Limits(concurrency=9), who(team), START + 1000)
        assert (verdict.limit, verdict.wait >= 29_000) == ("provider", True)
    assert not admit(state, Limits(concurrency=9), who(), START + 30_001).limit


def test_who_waits_in_person_goes_before_a_batch() -> None:
    limits = Limits(concurrency=1)
    state: dict[str, Any] = {}
    admit(state, limits, who("a"), START)
    assert admit(state, limits, who("a", is_interactive=True), START + 1).limit == "concurrency"
    release(state, limits, who("a"), START + 100, began=START, tokens=None)

    batch = admit(state, limits, who("a"), START + 101)
    person = admit(state, limits, who("a", is_interactive=True), START + 102)

    assert (batch.limit, person.limit) == ("interactive", "")


def test_somebody_who_went_away_does_not_hold_up_batches_for_long() -> None:
    limits = Limits(concurrency=1)
    state: dict[str, Any] = {}
    admit(state, limits, who("a"), START)
    admit(state, limits, who("a", is_interactive=True), START + 1)
    release(state, limits, who("a"), START + 100, began=START, tokens=None)

    assert not admit(state, limits, who("a"), START + 5000).limit


def test_while_another_team_waits_each_has_its_share() -> None:
    limits = Limits(concurrency=4)
    state: dict[str, Any] = {}
    greedy = [admit(state, limits, who("greedy"), START).limit for _ in range(5)]
    assert admit(state, limits, who("late"), START + 1).limit == "concurrency"
    for step in range(2):
        release(state, limits, who("greedy"), START + 10 + step, began=START, tokens=None)

    again = admit(state, limits, who("greedy"), START + 20)
    late = [admit(state, limits, who("late"), START + 21 + step).limit for step in range(2)]

    assert greedy == ["", "", "", "", "concurrency"]
    assert again.limit == "share"
    assert late == ["", ""]


def test_teams_that_ask_at_the_same_rate_get_about_the_same_of_a_minute() -> None:
    limits, state = Limits(requests=120), {}
    served = {"many": 0, "few": 0}
    dice = random.Random(3)
    for step in range(6000):
        team = "few" if dice.random() < 0.2 else "many"
        if not admit(state, limits, who(team), START + step * 20).limit:
            served[team] += 1
            release(state, limits, who(team), START + step * 20, began=0, tokens=None)

    assert served["few"] > 0.35 * sum(served.values())


def test_those_turned_away_come_back_one_after_another() -> None:
    limits, state = Limits(requests=60), {}
    for step in range(7):
        admit(state, limits, who(), START + step)

    early = [admit(state, limits, who("b"), START + 100).wait for _ in range(3)]
    late = [admit(state, limits, who("b"), START + 100).wait for _ in range(50)]

    assert early == sorted(early)
    assert len(set(early)) == 3
    assert len(set(late)) > 30
    assert max(late) <= 10_000


def test_the_state_is_json_and_small() -> None:
    limits, state = Limits(requests=6000, tokens=10**6, concurrency=500), {}
    for step in range(3000):
        state = json.loads(json.dumps(state))
        admit(state, limits, who(f"t{step % 5}", holder=f"w{step % 7}", tokens=10), START + step)

    assert len(json.dumps(state)) < 4000
