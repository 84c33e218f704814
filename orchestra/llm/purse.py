"""What a run with a limit of cost may still spend: taken before a call, settled after it. Pure; the state is JSON.

Calls under way are held at what they may come to, per process with an expiry, so that a process that dies gives its
money back. Times are milliseconds of the clock that the state's store has.
"""

from __future__ import annotations

from typing import Any

State = dict[str, Any]

GO, WAIT, SPENT = "go", "wait", "spent"
HELD = 25_000
"""So long is a call counted of a process that says nothing more."""
LINGERS = 5_000
"""So long after its end may a call's cost be on its way into the database."""
DUST = 1e-6


def look(state: State, *, limit: float, recorded: float, now: int) -> str:
    """Say whether a call may begin (GO), whether others have to end first (WAIT), or that nothing is left (SPENT).

    `recorded` is what the database and the asking attempt know that the run has cost. A call may begin as long as what
    was spent and what is held are below the limit, so that only calls under way can exceed it. Nothing is SPENT
    before the last of them has ended and stands in the database: what was paid for is kept.
    """
    _tidy(state, now)
    state["spent"] = max(state["spent"], recorded)
    if state["spent"] + held(state) < limit:
        return GO
    is_known = recorded >= state["spent"] - DUST or now >= state["ended"] + LINGERS
    return SPENT if not state["held"] and is_known and state["spent"] >= limit else WAIT


def reserve(
    state: State, *, limit: float, recorded: float, holder: str, call: str, amount: float, now: int
) -> str:
    """Take what a call may come to if it may begin; return what `look` says."""
    verdict = look(state, limit=limit, recorded=recorded, now=now)
    if verdict == GO:
        _calls_of(state, holder, now)[call] = amount
    return verdict


def settle(state: State, *, holder: str, call: str, spent: float, now: int) -> None:
    """Count what a call has cost in place of what was held for it; one that is not held any more counts too."""
    _tidy(state, now)
    calls = _calls_of(state, holder, now)
    calls.pop(call, None)
    if not calls:
        del state["held"][holder]
    state["spent"] += spent
    state["ended"] = now


def keep(state: State, holder: str, now: int) -> None:
    """Say that a process is alive and still makes its calls."""
    _tidy(state, now)
    if holder in state["held"]:
        state["held"][holder]["until"] = now + HELD


def held(state: State) -> float:
    """Return what is held for the calls under way."""
    return float(sum(sum(one["calls"].values()) for one in state["held"].values()))


def _calls_of(state: State, holder: str, now: int) -> dict[str, float]:
    mine: dict[str, Any] = state["held"].setdefault(holder, {"until": 0, "calls": {}})
    mine["until"] = now + HELD
    calls: dict[str, float] = mine["calls"]
    return calls


def _tidy(state: State, now: int) -> None:
    """Fill in what is missing, and forget the calls of lost processes."""
    state.setdefault("spent", 0.0)
    state.setdefault("ended", -LINGERS)
    state["held"] = {name: one for name, one in state.get("held", {}).items() if one["until"] > now}
