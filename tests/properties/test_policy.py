"""Delays between attempts stay within their bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.plan import Retry
from orchestra.engine.policy import retry_delay
from orchestra.errors import ToolUnavailable


@given(
    st.builds(
        Retry, max=st.integers(0, 50), base=st.floats(0, 1e5), factor=st.floats(1, 100), cap=st.floats(0, 1e5)
    ),
    st.integers(1, 60),
    st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_never_negative_nor_over_the_cap(retry: Retry, attempt: int, spread: float) -> None:
    delay = retry_delay(retry, attempt, ToolUnavailable(), lambda: spread)

    assert (delay is None) == (attempt > retry.max)
    assert delay is None or 0 <= delay <= retry.cap
