"""Circuit breakers and patience, with a clock that is passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.errors import (
    BadCredentials,
    BreakerOpen,
    ModelTimeout,
    ModelUnavailable,
    NodeFailure,
    RateLimited,
)
from orchestra.llm.breaker import (
    CLOSED,
    HALF_OPEN,
    LOOK_AGAIN,
    OPEN,
    BreakerRules,
    Circuit,
    ask_permit,
    end_probe,
    note_calls,
)
from orchestra.llm.patience import LONGEST_WAIT, Patience, retry_pause

RULES = BreakerRules()
NOW = 1_700_000_000_000


def failing(times: int, circuit: Circuit = Circuit(), now: int = NOW) -> Circuit:  # noqa: B008  (a frozen value)
    for _ in range(times):
        circuit = note_calls(circuit, RULES, now, succeeded=0, failed=1)
    return circuit


def test_five_failures_open_it_for_thirty_seconds() -> None:
    assert failing(4).state == CLOSED
    opened = failing(5)

    permit, after = ask_permit(opened, NOW + 10_000)

    assert opened.state == OPEN
    assert (permit.is_free, permit.wait) == (False, 20_000)
    assert after == opened


def test_a_few_failures_among_many_successes_do_not_open_it() -> None:
    busy = note_calls(Circuit(), RULES, NOW, succeeded=1000, failed=0)

    assert failing(50, busy).state == CLOSED


def test_failures_of_earlier_minutes_do_not_count() -> None:
    old = failing(4)

    assert failing(4, old, NOW + 120_000).state == CLOSED


def test_after_its_time_one_call_tries_and_the_others_go_on_waiting() -> None:
    permit, half = ask_permit(failing(5), NOW + 30_000)
    second, _same = ask_permit(half, NOW + 30_001)

    assert (permit.is_free, permit.is_probe, half.state) == (True, True, HALF_OPEN)
    assert (second.is_free, second.wait) == (False, LOOK_AGAIN)
    assert end_probe(half, RULES, NOW + 31_000, is_ok=True) == Circuit()
    assert end_probe(half, RULES, NOW + 31_000, is_ok=False) == Circuit(OPEN, (), NOW + 61_000)


def test_a_probe_that_was_stopped_or_lost_makes_room_for_the_next() -> None:
    _permit, half = ask_permit(failing(5), NOW + 30_000)

    stopped = end_probe(half, RULES, NOW + 31_000, is_ok=None)

    assert ask_permit(stopped, NOW + 31_000)[0].is_probe
    assert ask_permit(half, half.until)[0].is_probe


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ok", "bad", "ask", "good probe", "bad probe"]), st.integers(0, 20_000))
    )
)
def test_whatever_happens_there_is_one_probe_at_a_time_and_a_way_back(steps: list[tuple[str, int]]) -> None:
    circuit, now, probing_until = Circuit(), NOW, 0
    for what, passed in steps:
        now += passed
        if what in ("ok", "bad"):
            circuit = note_calls(circuit, RULES, now, succeeded=what == "ok", failed=what == "bad")
        elif what == "ask":
            permit, circuit = ask_permit(circuit, now)
            if permit.is_probe:
                assert now >= probing_until
                probing_until = circuit.until
            assert permit.is_free or permit.wait > 0
        elif probing_until:
            circuit = end_probe(circuit, RULES, now, is_ok=what == "good probe")
            probing_until = 0
        assert (circuit.state == CLOSED) or not circuit.counts
    later, _after = ask_permit(circuit, now + 10**6)
    assert later.is_free


@pytest.mark.parametrize(
    ("error", "has_others", "is_repeated"),
    [
        (ModelUnavailable(), True, True),
        (ModelTimeout(), False, True),
        (ModelTimeout(), True, False),
        (RateLimited(), True, True),
        (RateLimited(retry_after=1.0), True, True),
        (RateLimited(retry_after=LONGEST_WAIT + 1), False, False),
        (BadCredentials(), False, False),
        (BreakerOpen(), False, False),
    ],
)
def test_only_what_may_pass_soon_is_repeated_at_the_same_place(
    error: NodeFailure, has_others: bool, is_repeated: bool
) -> None:
    pause = retry_pause(error, Patience(), tried=1, has_others=has_others, random=lambda: 0.5)

    assert (pause is not None) is is_repeated
    if isinstance(error, RateLimited) and is_repeated:
        assert pause is not None
        assert pause >= (error.retry_after or 0)


def test_pauses_double_from_a_tenth_of_a_second_and_end_after_three() -> None:
    pauses = [
        retry_pause(ModelUnavailable(), Patience(), tried=tried, has_others=False, random=lambda: 1.0)
        for tried in (1, 2, 3, 4)
    ]

    assert pauses == [0.1, 0.2, 0.4, None]
