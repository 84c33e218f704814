"""The function of the benchmarks that takes time: loaded into the product by `ORCHESTRA_FUNCTIONS`."""

from __future__ import annotations

from orchestra.tools.functions import function
from tests.load.peers.work import fibo

function("bench.fibo", title="Fibonacci number, the slow way", pure=True)(fibo)
