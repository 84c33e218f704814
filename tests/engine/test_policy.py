"""Retries: who is tried again, how often, how soon."""

from __future__ import annotations

import pytest

from orchestra.engine.plan import Retry
from orchestra.engine.policy import retry_delay
from orchestra.errors import BadOutput, ModelTimeout, NodeFailure, RateLimited, ToolUnavailable


def latest() -> float:
    return 1.0


@pytest.mark.parametrize(("attempt", "delay"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, None), (9, None)])
def test_delays_double_until_the_retries_are_used_up(attempt: int, delay: float | None) -> None:
    assert retry_delay(Retry(max=3, jitter=False), attempt, ToolUnavailable(), latest) == delay


def test_delays_are_capped() -> None:
    assert retry_delay(Retry(max=100, base=1, factor=10, cap=30), 50, ModelTimeout(), latest) == 30
    assert retry_delay(Retry(max=10**6, base=1, factor=10, cap=30), 10**5, ModelTimeout(), latest) == 30


def test_jitter_spreads_over_the_whole_delay() -> None:
    retry = Retry(base=8)

    assert retry_delay(retry, 1, ModelTimeout(), lambda: 0.0) == 0
    assert retry_delay(retry, 1, ModelTimeout(), lambda: 0.5) == 4
    assert retry_delay(Retry(base=8, jitter=False), 1, ModelTimeout(), lambda: 0.5) == 8


@pytest.mark.parametrize("error", [BadOutput(), NodeFailure()])
def test_only_transient_errors_are_tried_again(error: NodeFailure) -> None:
    assert retry_delay(Retry(), 1, error, latest) is None


def test_a_pause_that_the_provider_asks_for_is_kept() -> None:
    assert retry_delay(Retry(base=1, cap=5), 1, RateLimited(retry_after=60), lambda: 0.0) == 60
    assert retry_delay(Retry(base=1, cap=5), 1, RateLimited(retry_after=60), latest) == 61
    assert retry_delay(Retry(base=1), 1, RateLimited(), latest) == 1
    assert retry_delay(Retry(base=1), 1, RateLimited(retry_after=-5), latest) == 1
    assert retry_delay(Retry(max=0), 1, RateLimited(retry_after=60), latest) is None
