"""Dramatiq on Redis, two processes of eight threads; results are kept in Redis, nothing is durable.

Worker: `dramatiq on_dramatiq -p 2 -t 8`; client: `python on_dramatiq.py SHAPE SIZE REPEATS`.
"""

from __future__ import annotations

import os
from functools import partial

import dramatiq
import work
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as Barriers
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["PEER_REDIS"]
WAIT = 120_000
"""Milliseconds."""

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
broker.add_middleware(GroupCallbacks(Barriers(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> int:
    return 0


@dramatiq.actor
def fibo(n: int) -> int:
    return work.fibo(n)


@dramatiq.actor
def stream() -> int:
    return work.stream()


@dramatiq.actor
def split(end: dict) -> int:
    """Send the two middle nodes of a diamond, and its end after them; a group cannot stand in a pipeline."""
    join(dramatiq.Message(**end), [noop.message(), noop.message()])
    return 0


def join(end: dramatiq.Message, messages: list[dramatiq.Message]) -> None:
    group = dramatiq.group(messages)
    group.add_completion_callback(end)
    group.run()


def in_sequence(message: dramatiq.Message, length: int) -> dramatiq.Message:
    """Start a pipeline; return its last message."""
    messages = [message.copy(message_id=f"{message.message_id}-{number}") for number in range(length)]
    dramatiq.pipeline(one.copy(options={"pipe_ignore": True}) for one in messages).run()
    return messages[-1]


def run_chain(length: int) -> None:
    in_sequence(noop.message(), length).get_result(block=True, timeout=WAIT)


def run_fibo(length: int, n: int) -> None:
    in_sequence(fibo.message(n), length).get_result(block=True, timeout=WAIT)


def run_fan(width: int, actor: dramatiq.Actor) -> None:
    end = noop.message()
    join(end, [actor.message() for _ in range(width)])
    end.get_result(block=True, timeout=WAIT)


def run_diamonds(count: int) -> None:
    ends = [noop.message() for _ in range(count)]
    for end in ends:
        split.send(end.asdict())
    for end in ends:
        end.get_result(block=True, timeout=WAIT)


def run_chains(count: int, length: int) -> None:
    for last in [in_sequence(noop.message(), length) for _ in range(count)]:
        last.get_result(block=True, timeout=WAIT)


if __name__ == "__main__":
    work.tell(
        {
            "chain": run_chain,
            "fibo": partial(run_fibo, n=10),
            "heavy": partial(run_fibo, n=33),
            "fan": partial(run_fan, actor=noop),
            "diamonds": run_diamonds,
            "chains": partial(run_chains, length=3),
        }
    )
