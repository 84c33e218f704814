"""The other side of `make bench`: plain Celery canvas doing the same work on the same broker, keeping nothing."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial

from celery import Celery, chain, chord, group

app = Celery("plain", broker=os.environ["PLAIN_BROKER"], backend=os.environ["PLAIN_BROKER"])
app.conf.task_default_queue = "plain"
app.conf.worker_prefetch_multiplier = 1


@app.task(name="plain.noop")
def noop(*_results: object) -> None:
    """Do nothing."""


@app.task(name="plain.fibo")
def fibo(_before: object, n: int) -> int:
    """Return the n-th Fibonacci number, the slow way."""
    return n if n < 2 else fibo.run(None, n - 1) + fibo.run(None, n - 2)


def run_chain(length: int) -> None:
    chain(*[noop.si() for _ in range(length)]).apply_async().get(timeout=120)


def run_fan(width: int) -> None:
    chord([noop.si() for _ in range(width)], noop.s()).apply_async().get(timeout=120)


def run_diamonds(count: int) -> None:
    started = [chain(noop.si(), group(noop.si(), noop.si()), noop.si()).apply_async() for _ in range(count)]
    for result in started:
        result.get(timeout=120)


def run_chains(count: int, length: int) -> None:
    started = [chain(*[noop.si() for _ in range(length)]).apply_async() for _ in range(count)]
    for result in started:
        result.get(timeout=120)


def run_fibo(count: int, n: int) -> None:
    chain(*[fibo.si(None, n) for _ in range(count)]).apply_async().get(timeout=120)


SHAPES = {
    "chain": run_chain,
    "fibo": partial(run_fibo, n=10),
    "fan": run_fan,
    "diamonds": run_diamonds,
    "chains": partial(run_chains, length=3),
}


def main() -> None:
    """Run one shape several times after a warm-up; print the seconds of each as JSON."""
    shape, size, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        SHAPES[shape](size)
        seconds.append(time.perf_counter() - started)
    print(json.dumps(seconds[1:]), flush=True)
    os._exit(0)  # pending results complain at a normal end


if __name__ == "__main__":
    main()
