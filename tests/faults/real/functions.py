"""Functions that the workers of the fault runs register: work that takes a moment of a cpu worker."""

from __future__ import annotations

import time

from orchestra.tools.functions import function


@function("faults_work")
def work(value: int = 0, seconds: float = 0.2) -> int:
    """Take so many seconds, then return the value."""
    time.sleep(seconds)
    return value
