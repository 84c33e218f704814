"""Who may call a provider now: the limits of one account, shared by all workers. Pure; the state is a JSON object.

Requests and tokens per minute are kept by GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): a
theoretical arrival time that may run ahead of now by a few seconds. Calls under way are counted per process with an
expiry, so that a process that dies frees them. While others wait, a team gets an equal share; who waits in person goes
before batches. Times are milliseconds of the clock that the state's store has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

State = dict[str, Any]

MINUTE = 60_000
AHEAD = 5_000
"""So far may a rate be used ahead of time."""
PERIOD = MINUTE + AHEAD
"""A limit of a minute is spread over this, so that no minute has more than the limit, the first ones included."""
HELD = 60_000
"""So long is a call counted of a process that says nothing more."""
LONGEST = {"i": 1_000, "b": 10_000}
"""After so long who was turned away asks again: in person, in a batch."""
SHORTEST = 50
GOLDEN = 0.6180339887
"""Multiples of it, less their whole part, lie evenly between 0 and 1."""
REMEMBERED = 2_000
"""So long after its time somebody who was turned away still counts as waiting."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection allows; 0 is no limit."""

    requests: int = 0
    tokens: int = 0
    concurrency: int = 0

    @property
    def is_any(self) -> bool:
        return bool(self.requests or self.tokens or self.concurrency)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a call: the process that would make it, the team, and about how many tokens it takes."""

    holder: str
    team: str
    is_interactive: bool = False
    tokens: int = 0

    @property
    def rank(self) -> str:
        return "i" if self.is_interactive else "b"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Go on (`limit` is empty), or ask again after so many milliseconds because of this limit."""

    limit: str = ""
    wait: int = 0


GO = Verdict()


def admit(state: State, limits: Limits, asking: Asking, now: int) -> Verdict:
    """Let a call begin and count it, or say when to ask again; changes the state."""
    _tidy(state, now)
    limit, wait = _find_limit(state, limits, asking, now)
    if limit:
        after = _place(state, limits, asking, limit, wait, now)
        state["waiting"][f"{asking.rank}|{asking.team}"] = [now + after + REMEMBERED, limit]
        return Verdict(limit, after)
    if asking.is_interactive:
        state["waiting"].pop(f"i|{asking.team}", None)
    _use(state, limits, asking, now)
    return GO


def release(
    state: State, limits: Limits, asking: Asking, now: int, *, began: int, tokens: int | None
) -> None:
    """Count a call off; `tokens` are those it really took (None: as many as it said)."""
    _tidy(state, now)
    held = state["held"].get(asking.holder)
    if held is not None:
        held["teams"][asking.team] = held["teams"].get(asking.team, 0) - 1
        held["teams"] = {team: count for team, count in held["teams"].items() if count > 0}
        held["until"] = now + HELD
        if not held["teams"]:
            del state["held"][asking.holder]
    if limits.tokens and tokens is not None:
        state["tokens"] += PERIOD * (tokens - asking.tokens) / limits.tokens
    state["seconds"] = 0.8 * state["seconds"] + 0.2 * max(0, now - began) / 1000


def pause(state: State, now: int, seconds: float) -> None:
    """Let nobody begin a call for so long: the provider has asked for it."""
    _tidy(state, now)
    state["paused"] = max(state["paused"], now + int(seconds * 1000))


def keep(state: State, holder: str, now: int) -> None:
    """Say that a process is alive and still makes its calls."""
    _tidy(state, now)
    if holder in state["held"]:
        state["held"][holder]["until"] = now + HELD


def under_way(state: State) -> int:
    """Return how many calls are under way."""
    return sum(sum(held["teams"].values()) for held in state.get("held", {}).values())


def _tidy(state: State, now: int) -> None:
    """Fill in what is missing, and forget what is over."""
    for key, value in (("requests", 0), ("tokens", 0), ("paused", 0), ("seconds", 1.0)):
        state.setdefault(key, value)
    state["held"] = {key: held for key, held in state.get("held", {}).items() if held["until"] > now}
    state["waiting"] = {key: row for key, row in state.get("waiting", {}).items() if row[0] > now}
    state["tail"] = {rank: at for rank, at in state.get("tail", {}).items() if at > now}
    window = now // AHEAD
    if state.get("window", [0])[0] != window:
        state["window"] = [window, {}]


def _find_limit(state: State, limits: Limits, asking: Asking, now: int) -> tuple[str, float]:
    """Return the first limit that keeps a call from beginning, and how long at least; ("", 0) when none does."""
    if state["paused"] > now:
        return "provider", state["paused"] - now
    if not asking.is_interactive and _somebody_waits_in_person(state):
        return "interactive", 500
    if limits.requests and (wait := _ahead(state["requests"], PERIOD / limits.requests, now)) > 0:
        return "requests", wait
    if limits.tokens and (wait := _ahead(state["tokens"], PERIOD * asking.tokens / limits.tokens, now)) > 0:
        return "tokens", wait
    if limits.concurrency and under_way(state) >= limits.concurrency:
        return "concurrency", SHORTEST
    return _find_share(state, limits, asking, now)


def _somebody_waits_in_person(state: State) -> bool:
    return any(key.startswith("i|") and limit != "share" for key, (_until, limit) in state["waiting"].items())


def _ahead(arrival: float, cost: float, now: int) -> float:
    """Return how long a rate that has run ahead makes the next call wait; 0 or less: not at all."""
    return arrival - now - max(0.0, AHEAD - cost) if arrival > now else 0.0


def _find_share(state: State, limits: Limits, asking: Asking, now: int) -> tuple[str, float]:
    """Say whether a team that has its share has to let others go first; without others there are no shares."""
    others = {key.partition("|")[2] for key in state["waiting"]} - {asking.team}
    if not others:
        return "", 0
    teams = len(others) + 1
    mine = sum(held["teams"].get(asking.team, 0) for held in state["held"].values())
    if limits.concurrency and mine >= ceil(limits.concurrency / teams):
        return "share", SHORTEST
    per_window = limits.requests * AHEAD / MINUTE
    if limits.requests and state["window"][1].get(asking.team, 0) >= ceil(per_window / teams):
        return "share", AHEAD - now % AHEAD
    return "", 0


def _use(state: State, limits: Limits, asking: Asking, now: int) -> None:
    if limits.requests:
        state["requests"] = max(state["requests"], now) + PERIOD / limits.requests
    if limits.tokens:
        state["tokens"] = max(state["tokens"], now) + PERIOD * asking.tokens / limits.tokens
    used = state["window"][1]
    used[asking.team] = used.get(asking.team, 0) + 1
    held = state["held"].setdefault(asking.holder, {"until": 0, "teams": {}})
    held["until"] = now + HELD
    held["teams"][asking.team] = held["teams"].get(asking.team, 0) + 1


def _place(state: State, limits: Limits, asking: Asking, limit: str, wait: float, now: int) -> int:
    """Return when to ask again: one after another, as fast as the limit frees places, so that not all come at once."""
    steps: Mapping[str, float] = {
        "requests": PERIOD / (limits.requests or PERIOD),
        "tokens": PERIOD * asking.tokens / (limits.tokens or PERIOD),
        "concurrency": 1000 * state["seconds"] / (limits.concurrency or 1000),
    }
    longest = LONGEST[asking.rank]
    latest = now + (wait + longest if limit == "provider" else max(wait, longest))
    at: float = max(state["tail"].get(asking.rank, 0), now + wait) + steps.get(limit, SHORTEST)
    if at > latest:  # more wait than can be served until then: they come back spread over the second half
        turn: float = (state.get("turn", 0) + GOLDEN) % 1
        state["turn"] = turn
        return max(SHORTEST, ceil((latest - now) * (1 + turn) / 2))
    state["tail"][asking.rank] = at
    return max(SHORTEST, ceil(at - now))
