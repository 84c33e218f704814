"""Whether one call to a model is made again at the same place, and after how long. Pure.

Only what has streamed nothing yet is repeated: nobody has seen anything of it, and every try carries the same
idempotency key. What the next target can do sooner is left to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestra.errors import BreakerOpen, ModelTimeout, NodeFailure, RateLimited, Transient

LONGEST_WAIT = 2.0
"""Seconds; a longer pause that a provider asks for is waited for by the node, as a row."""


@dataclass(frozen=True, slots=True)
class Patience:
    """At most `retries` further tries; before try n+1 a pause of `base`·2ⁿ⁻¹ seconds, spread over its upper half."""

    retries: int = 3
    base: float = 0.1


NO_PATIENCE = Patience(retries=0)


def retry_pause(
    error: NodeFailure, patience: Patience, *, tried: int, has_others: bool, random: Callable[[], float]
) -> float | None:
    """Return the seconds to wait before the same call is made again after `tried` tries; None: it is not.

    A timeout is not repeated where another target can be asked: it has cost enough already. `Retry-After` is obeyed.
    """
    if not isinstance(error, Transient) or isinstance(error, BreakerOpen) or tried > patience.retries:
        return None
    if isinstance(error, ModelTimeout) and has_others:
        return None
    pause = patience.base * 2.0 ** (tried - 1) * (0.5 + random() / 2)
    if isinstance(error, RateLimited) and error.retry_after:
        pause = max(pause, error.retry_after)
    return pause if pause <= LONGEST_WAIT else None
