"""`make bench-peers`: the product beside its peers, in one run, on one machine; ratios, never a verdict.

Every peer comes as it is by default and has an environment of its own under `var/bench`; one that cannot be installed
or started is left out with a sentence.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from tests.load import bench, stage
from tests.load.peers import installed
from tests.load.peers.installed import Peer, Skipped

SHAPES_OF = {"dramatiq": {"chain", "fibo", "heavy", "fan", "diamonds", "chains"}}
"""Threads by the dozen cannot hold 1,000 streams at once: a peer named here has these shapes alone."""
WANTED = {"W1", "W3", "W4", "W5", "W6", "W12"}
Row = tuple[str, str, int]
"""Title, shape, size."""


def main() -> None:
    arguments = bench.parser(__doc__)
    arguments.add_argument("--peers", default="", type=bench.words, help="names, such as dbos,langgraph")
    chosen = arguments.parse_args()
    stage.end_on_signals()
    stage.prepare_environment("services")
    import django

    django.setup()
    from tests.load.workloads import Bench

    ours = Bench()
    try:
        wanted = [one for one in ours.workloads() if one.id in (chosen.only or WANTED)]
        rows = [(f"{one.id} {one.title}", one.shape, one.size) for one in wanted]
        with bench.our_workers(ours):
            mine = [bench.ours_seconds(one, chosen.repeats) for one in wanted]
        with stage.model_server():
            columns, told = measured(rows, chosen.repeats, chosen.peers)
        print("\n".join(table(rows, mine, columns, told)), flush=True)
    finally:
        stage.drop_database(installed.DATABASE)
        stage.clean_up()


def measured(
    rows: Sequence[Row], repeats: int, names: set[str]
) -> tuple[dict[str, list[float | None]], list[str]]:
    """Return the seconds of every peer, None where it has none, and the sentences about what is left out."""
    columns: dict[str, list[float | None]] = {}
    told: list[str] = []
    if not names or "CELERY" in names:
        columns["plain Celery"] = [_plain(shape, size, repeats) for _title, shape, size in rows]
    for peer in installed.PEERS:
        if not names or peer.name.upper() in names:
            column = peer_column(peer, rows, repeats, told)
            if column is not None:
                columns[peer.title] = column
    return columns, told


def peer_column(peer: Peer, rows: Sequence[Row], repeats: int, told: list[str]) -> list[float | None] | None:
    """Return the seconds of one peer, None when it takes no part; `told` gets the sentences."""
    try:
        installed.install(peer)
        stage.make_database(installed.DATABASE)
        known = installed.environment(installed.services())
        with installed.started(peer, known):
            return [
                _tried(lambda s=shape, n=size: installed.seconds(peer, known, s, n, repeats), told)
                if shape in SHAPES_OF.get(peer.name, {shape})
                else None
                for _title, shape, size in rows
            ]
    except Skipped as skipped:
        told.append(f"Skipped: {skipped}")
        return None


def _tried(work: Callable[[], list[float]], told: list[str]) -> float | None:
    try:
        return statistics.median(work())
    except Skipped as skipped:
        told.append(str(skipped))
        return None


def _plain(shape: str, size: int, repeats: int) -> float:
    with bench.plain_worker_for(shape):
        return statistics.median(stage.plain_seconds(shape, size, repeats))


def table(
    rows: Sequence[Row],
    mine: Sequence[float],
    columns: Mapping[str, Sequence[float | None]],
    told: Sequence[str],
) -> list[str]:
    """Return the lines: seconds of each, in brackets the product's share of them; then the sentences."""
    lines = [
        f"{'seconds (ratio of Orchestra to it)':38} {'Orchestra':>10}" + "".join(f"{n:>18}" for n in columns)
    ]
    for at, (title, _shape, _size) in enumerate(rows):
        cells = (_cell(column[at], mine[at]) for column in columns.values())
        lines.append(f"{title:38} {mine[at]:10.3f}" + "".join(f"{cell:>18}" for cell in cells))
    return [*lines, *told]


def _cell(seconds: float | None, ours: float) -> str:
    return "–" if seconds is None else f"{seconds:.3f} ({ours / seconds:.2f})"


if __name__ == "__main__":
    main()
