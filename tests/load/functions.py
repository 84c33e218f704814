"""The functions of the benchmarks, loaded into the product by `ORCHESTRA_FUNCTIONS`."""

from __future__ import annotations

import time

from orchestra.tools.functions import function
from tests.load.peers.work import fibo

function("bench.fibo", title="Fibonacci number, the slow way", pure=True)(fibo)


@function("bench.now", title="The time at which it was called", pure=True)
def now() -> float:
    """Return the time in seconds since 1970: the first instruction of a node tells when it came."""
    return time.time()
