"""`make bench`: the product beside plain Celery canvas, in one run, on one machine; ratios, never a verdict."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.load import stage

REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="comma-separated workload ids (W1,W3,…)")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    chosen = parser.parse_args()
    stage.prepare_environment("services")
    import django

    django.setup()
    from tests.load.workloads import Bench

    bench = Bench()
    wanted = {name for name in chosen.only.upper().split(",") if name}
    try:
        with stage.celery_worker(*stage.LOOP), stage.celery_worker(*stage.CPU), stage.plain_worker():
            bench.wait_for_workers(2)
            print(f"{'workload':38} {'Orchestra s':>12} {'plain Celery s':>15} {'ratio':>7}")
            for name, title, ours, plain in bench.workloads():
                if not wanted or name in wanted:
                    _print_row(f"{name} {title}", ours, plain, chosen.repeats)
        if not wanted or "W7" in wanted:
            bench.print_latency()
    finally:
        stage.clean_up()


def _print_row(title: str, ours: Callable[[], Any], plain: tuple[str, int], repeats: int) -> None:
    ours()
    mine = statistics.median(_timed(ours) for _ in range(repeats))
    other = statistics.median(stage.plain_seconds(*plain, repeats))
    print(f"{title:38} {mine:12.3f} {other:15.3f} {mine / other:7.2f}", flush=True)


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
