"""The other side of `make bench`: plain Celery canvas doing the same work on the same broker, keeping nothing."""

from __future__ import annotations

import os
from functools import partial

from celery import Celery, chain, chord, group

from tests.load.peers import work

app = Celery("plain", broker=os.environ["PLAIN_BROKER"], backend=os.environ["PLAIN_BROKER"])
app.conf.task_default_queue = "plain"
app.conf.worker_prefetch_multiplier = 1


@app.task(name="plain.noop")
def noop(*_results: object) -> None:
    """Do nothing."""


@app.task(name="plain.fibo")
def fibo(n: int) -> int:
    """Return the n-th Fibonacci number, the slow way."""
    return work.fibo(n)


@app.task(name="plain.stream")
def stream() -> int:
    """Read one answer of the model."""
    return work.stream()


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
    chain(*[fibo.si(n) for _ in range(count)]).apply_async().get(timeout=120)


def run_streams(count: int) -> None:
    chord([stream.si() for _ in range(count)], noop.s()).apply_async().get(timeout=120)


SHAPES = {
    "chain": run_chain,
    "fibo": partial(run_fibo, n=10),
    "heavy": partial(run_fibo, n=33),
    "fan": run_fan,
    "diamonds": run_diamonds,
    "chains": partial(run_chains, length=3),
    "streams": run_streams,
}


if __name__ == "__main__":
    work.tell(SHAPES)
