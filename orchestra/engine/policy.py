"""When a failed attempt is tried again."""

from __future__ import annotations

from collections.abc import Callable

from orchestra.engine.plan import Retry
from orchestra.errors import NodeFailure, RateLimited, Transient


def retry_delay(retry: Retry, attempt: int, error: NodeFailure, random: Callable[[], float]) -> float | None:
    """Return the seconds before the next attempt, or None when there is none.

    Only Transient errors are tried again, at most `retry.max` times; `attempt` counts from 1. The delay is
    min(cap, base·factorⁿ⁻¹), spread over the whole interval from 0 by `random` (in [0, 1)) when there is jitter.
    A pause that the provider asks for comes first and is never cut short.
    """
    if not isinstance(error, Transient) or attempt > retry.max:
        return None
    delay = _backoff(retry, attempt)
    if retry.jitter:
        delay *= random()
    if isinstance(error, RateLimited) and error.retry_after is not None:
        delay += max(0.0, error.retry_after)
    return delay


def _backoff(retry: Retry, attempt: int) -> float:
    try:
        return min(retry.cap, retry.base * retry.factor ** (attempt - 1))
    except OverflowError:
        return retry.cap
