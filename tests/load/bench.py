"""`make bench`: the product beside plain Celery canvas, in one run, on one machine; ratios, never a verdict."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from tests.load import stage
from tests.load.peers.work import timed

if TYPE_CHECKING:
    from tests.load.workloads import Bench, Workload

REPEATS = 3
IN_FLIGHT = 1000
TURNS = 15
"""What takes milliseconds is done so often, on both sides: the first goes would say how processes warm up."""


def parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser of what both benchmarks take."""
    made = argparse.ArgumentParser(description=text)
    made.add_argument("--only", default="", type=words, help="comma-separated workload ids (W1,W3,…)")
    made.add_argument("--repeats", type=int, default=REPEATS)
    return made


def words(text: str) -> set[str]:
    return {word.strip().upper() for word in text.split(",") if word.strip()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--in-flight", type=int, default=IN_FLIGHT, help="runs at once in W8")
    arguments.add_argument(
        "--rows", type=int, default=0, help="fill the table of node runs up to so many for GROWTH (1000000)"
    )
    chosen = arguments.parse_args()
    stage.end_on_signals()
    stage.prepare_environment("services")
    import django

    django.setup()
    from tests.load.workloads import Bench

    bench = Bench()

    def is_wanted(name: str) -> bool:
        return not chosen.only or name in chosen.only

    def print_row(one: Workload) -> None:
        repeats = max(chosen.repeats, TURNS) if one.size < TURNS else chosen.repeats
        mine = ours_seconds(one, repeats)
        with plain_worker_for(one.shape):
            plain = statistics.median(stage.plain_seconds(one.shape, one.size, repeats))
        ideal = one.ideal() if one.ideal else None
        last = f"{ideal:9.3f} {mine / ideal:7.2f}" if ideal else f"{'–':>9} {'–':>7}"
        print(
            f"{one.id + ' ' + one.title:38} {mine:12.3f} {plain:15.3f} {mine / plain:7.2f} {last}", flush=True
        )

    try:
        rows = [one for one in bench.workloads() if is_wanted(one.id)]
        if rows:
            print(
                f"{'workload':38} {'Orchestra s':>12} {'plain Celery s':>15} {'ratio':>7} {'ideal s':>9} {'ratio':>7}"
            )
            with our_workers(bench):
                for one in rows:
                    print_row(one)
        print_others(bench, chosen, is_wanted)
    finally:
        stage.clean_up()


def print_others(bench: Bench, chosen: argparse.Namespace, is_wanted: Callable[[str], bool]) -> None:
    """Print what has no side by side: latency, memory, a fresh checkout, growth (only when it is asked for)."""
    if is_wanted("W7"):
        bench.print_latency()
    if is_wanted("W8"):
        bench.print_in_flight(chosen.in_flight)
    if is_wanted("REST"):
        from tests.load.rest import print_rest

        print_rest()
    if "GROWTH" in chosen.only:
        from tests.load.growth import print_growth

        with our_workers(bench):
            print_growth(bench, chosen.repeats, chosen.rows)


@contextmanager
def our_workers(bench: Bench) -> Iterator[None]:
    """Start one worker of each pool, and the model that they ask."""
    with stage.model_server(), stage.celery_worker(*stage.LOOP), stage.celery_worker(*stage.CPU):
        bench.wait_for_workers(2)
        yield


def plain_worker_for(shape: str) -> AbstractContextManager[object]:
    return stage.plain_worker(*(stage.THREADS if shape == "streams" else stage.PREFORK))


def ours_seconds(one: Workload, repeats: int) -> float:
    """Return the median of the seconds that the product takes, after a first go."""
    one.ours()
    return statistics.median(timed(lambda _size: one.ours(), one.size) for _ in range(repeats))


if __name__ == "__main__":
    main()
