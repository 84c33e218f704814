"""Functions that the tests of running register: failing a number of times, waiting to be released, counting calls."""

from __future__ import annotations

import threading
from collections import Counter

from structlog.contextvars import merge_contextvars

from apps.runs.models import NodeRun
from orchestra.errors import ToolFailed, ToolUnavailable
from orchestra.logs import add_trace
from orchestra.tools.functions import function

calls: Counter[str] = Counter()
gates: dict[str, threading.Event] = {}


def reset() -> None:
    calls.clear()
    gates.clear()
    bad_items.clear()
    held_items.clear()
    open_items.clear()


@function("test_flaky")
def flaky(key: str, failures: int) -> int:
    """Fail the first times in a way that may pass, then return the number of calls."""
    calls[key] += 1
    if calls[key] <= failures:
        raise ToolUnavailable(f"Not yet: call {calls[key]}.")
    return calls[key]


@function("test_pure_flaky", pure=True)
def pure_flaky(key: str, failures: int) -> int:
    """Fail like `test_flaky`, as a function that may be repeated at will."""
    return flaky(key, failures)


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


@function("test_ids")
def ids() -> dict[str, object]:
    """Return what a log entry written here would name."""
    return dict(add_trace(None, "", merge_contextvars(None, "", {})))


@function("test_gate")
def gate(key: str) -> str:
    """Wait until the test opens the gate."""
    calls[key] += 1
    gates.setdefault(key, threading.Event()).wait(20)
    return key


bad_items: set[int] = set()
held_items: set[int] = set()
open_items = threading.Event()


@function("test_flaky_item")
def flaky_item(item: int) -> int:
    """Fail for the items that the test calls bad, and hold those that it holds."""
    calls[f"item {item}"] += 1
    if item in held_items:
        open_items.wait(20)
    if item in bad_items:
        raise ToolFailed(f"{item} is bad.")
    return item


LOOK_BACK = "test_look_back"


@function(LOOK_BACK)
def look_back(run: str) -> list[str]:
    """Return what of a run is recorded as succeeded."""
    return sorted(NodeRun.objects.filter(run_id=run, status="succeeded").values_list("path", flat=True))


@function("test_noted")
def noted(key: str, value: object, fail: bool = False) -> object:
    """Return the value, and note that this was called."""
    calls[key] += 1
    if fail:
        raise ToolFailed("This fails.")
    return value


@function("test_count")
def counted(key: str) -> int:
    """Return the number of calls."""
    calls[key] += 1
    return calls[key]
