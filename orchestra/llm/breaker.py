"""When to leave a provider alone: the circuit breaker of one connection, shared by all workers. Pure values.

Closed, calls go through. When enough of the last minute's calls have failed it opens, and nothing is sent until its
time is over; then half-open, one call at a time tries whether the provider is back, and its outcome closes or opens
it. Only failures are reported at once, with the successes since: a healthy provider costs nothing. Times are
milliseconds of one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
BUCKETS = 6
PROBE_SECONDS = 90.0
"""After so long without a word a probe counts as lost, with the process that made it."""
LOOK_AGAIN = 2_000
"""Milliseconds after which somebody asks again while another's probe is under way."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """It opens when `failures` calls or more of the window failed, and at least `share` of all; 0 failures: never."""

    failures: int = 5
    share: float = 0.5
    window_seconds: float = 60.0
    open_seconds: float = 30.0

    @property
    def bucket(self) -> int:
        """Milliseconds of one bucket of the window."""
        return int(self.window_seconds * 1000 / BUCKETS)


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of a breaker; `counts` are (bucket, succeeded, failed) of the window, oldest first."""

    state: str = CLOSED
    counts: tuple[tuple[int, int, int], ...] = ()
    until: int = 0
    """Open: when the first probe may be made. Half-open: when the probe under way counts as lost."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be done now: call, call as the probe, or ask again after so many milliseconds."""

    is_free: bool = True
    is_probe: bool = False
    wait: int = 0


def note_calls(circuit: Circuit, rules: BreakerRules, now: int, *, succeeded: int, failed: int) -> Circuit:
    """Return the breaker after these calls; those that ended after it had opened say nothing new."""
    if circuit.state != CLOSED or not rules.failures:
        return circuit
    counts = _counted(circuit.counts, rules, now, succeeded, failed)
    bad = sum(count[2] for count in counts)
    total = bad + sum(count[1] for count in counts)
    if bad >= rules.failures and bad >= rules.share * total:
        return Circuit(OPEN, (), now + int(rules.open_seconds * 1000))
    return replace(circuit, counts=counts)


def ask_permit(circuit: Circuit, now: int) -> tuple[Permit, Circuit]:
    """Return what a caller may do, and the breaker after it: the first one when the time is over makes the probe."""
    if circuit.state == CLOSED:
        return Permit(), circuit
    if now >= circuit.until:
        return Permit(is_probe=True), Circuit(HALF_OPEN, (), now + int(PROBE_SECONDS * 1000))
    left = circuit.until - now
    return Permit(is_free=False, wait=min(left, LOOK_AGAIN) if circuit.state == HALF_OPEN else left), circuit


def end_probe(circuit: Circuit, rules: BreakerRules, now: int, *, is_ok: bool | None) -> Circuit:
    """Return the breaker after a probe; None means that it was stopped and says nothing: the next call probes."""
    if circuit.state != HALF_OPEN:
        return circuit
    if is_ok is None:
        return replace(circuit, until=now)
    return Circuit() if is_ok else Circuit(OPEN, (), now + int(rules.open_seconds * 1000))


def _counted(
    counts: Sequence[tuple[int, int, int]], rules: BreakerRules, now: int, succeeded: int, failed: int
) -> tuple[tuple[int, int, int], ...]:
    bucket = now // rules.bucket
    kept = {at: (good, bad) for at, good, bad in counts if bucket - BUCKETS < at <= bucket}
    good, bad = kept.get(bucket, (0, 0))
    kept[bucket] = (good + succeeded, bad + failed)
    return tuple((at, *kept[at]) for at in sorted(kept))
