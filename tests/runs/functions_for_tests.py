"""Functions that the tests of running register: failing a number of times, waiting to be released, counting calls."""

from __future__ import annotations

import threading
from collections import Counter

from orchestra.errors import ToolFailed, ToolUnavailable
from orchestra.tools.functions import function

calls: Counter[str] = Counter()
gates: dict[str, threading.Event] = {}


def reset() -> None:
    calls.clear()
    gates.clear()


@function("test_flaky")
def flaky(key: str, failures: int) -> int:
    """Fail the first times in a way that may pass, then return the number of calls."""
    calls[key] += 1
    if calls[key] <= failures:
        raise ToolUnavailable(f"Not yet: call {calls[key]}.")
    return calls[key]


@function("test_broken")
def broken(key: str = "broken") -> None:
    """Fail for good."""
    calls[key] += 1
    raise ToolFailed("This never works.")


@function("test_fails_on")
def fails_on(value: int, bad: list[int]) -> int:
    """Fail for some values."""
    if value in bad:
        raise ToolFailed(f"{value} is bad.")
    return value


@function("test_gate")
def gate(key: str) -> str:
    """Wait until the test opens the gate."""
    calls[key] += 1
    gates.setdefault(key, threading.Event()).wait(20)
    return key
