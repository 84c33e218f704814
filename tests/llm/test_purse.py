"""What a run may still spend: calls under way are all that can exceed it, and what was paid for is kept."""

from __future__ import annotations

from orchestra.llm import purse
from orchestra.llm.purse import GO, HELD, LINGERS, SPENT, WAIT, State


def ask(state: State, call: str, *, recorded: float = 0.0, now: int = 0, holder: str = "w1") -> str:
    return purse.reserve(state, limit=3.5, recorded=recorded, holder=holder, call=call, amount=1.0, now=now)


def test_what_is_held_counts_until_it_is_known() -> None:
    state: State = {}

    assert [ask(state, name) for name in "abcde"] == [GO, GO, GO, GO, WAIT]

    for name in "abcd":
        purse.settle(state, holder="w1", call=name, spent=0.5, now=10)
    assert [ask(state, name, recorded=2.0, now=10) for name in "ef"] == [GO, GO]
    assert purse.held(state) == 2.0


def test_nothing_is_spent_before_the_last_call_stands_in_the_database() -> None:
    state: State = {}
    for name in "abcd":
        ask(state, name)
    for name in "abc":
        purse.settle(state, holder="w1", call=name, spent=1.5, now=10)

    assert ask(state, "e", recorded=4.5, now=20) == WAIT, "one call is under way"
    purse.settle(state, holder="w1", call="d", spent=1.5, now=30)
    assert ask(state, "e", recorded=4.5, now=40) == WAIT, "its record is"
    assert ask(state, "e", recorded=6.0, now=50) == SPENT
    assert ask(state, "f", recorded=4.5, now=30 + LINGERS) == SPENT, "a worker that was lost records nothing"


def test_a_lost_process_gives_its_money_back() -> None:
    state: State = {}
    for name in "abcd":
        ask(state, name, holder="lost")
    purse.keep(state, "lost", 1_000)

    assert ask(state, "e", now=HELD) == WAIT
    assert ask(state, "e", now=HELD + 1_001) == GO


def test_a_state_that_was_lost_begins_with_what_is_recorded() -> None:
    assert ask({}, "a", recorded=3.4) == GO
    assert ask({}, "a", recorded=3.5) == SPENT


def test_a_limit_of_nothing_lets_nothing_begin() -> None:
    assert purse.look({}, limit=0.0, recorded=0.0, now=0) == SPENT
