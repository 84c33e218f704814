"""How the cost of a node grows: with the length of its run, and with what the database holds already."""

from __future__ import annotations

import statistics
from typing import Any

from django.db import connection

from apps.runs.models import NodeRun, Run
from tests.load import stage
from tests.load.peers.work import timed
from tests.load.workloads import Bench

LENGTHS = (1, 10, 50, 200, 500, 1000, 2000)
ROWS = (1_000, 10_000, 100_000, 1_000_000)
LENGTH = 50
"""Nodes of the run that is timed, and of those that fill the tables."""
TURNS = 9


def print_growth(bench: Bench, repeats: int, most_rows: int) -> None:
    """Print the milliseconds of a node of a chain of no-ops, by the length of the chain and by rows in the table."""
    seconds = {}
    for length in LENGTHS:
        workflow = bench.publish(f"chain of {length}", stage.chain_of(length))
        seconds[length] = _median(bench, workflow, max(repeats, TURNS) if length < 500 else repeats)
    first = seconds.pop(1)
    print(f"growth: a run of 1 node takes {first * 1000:.1f} ms; each further node of a chain", flush=True)
    for length, taken in seconds.items():
        print(f"  {length:>9} nodes {(taken - first) / (length - 1) * 1000:8.3f} ms", flush=True)
    workflow = bench.publish("filled", stage.chain_of(LENGTH))
    bench.run(workflow)
    print(f"growth: each node of a chain of {LENGTH}, by rows in {NodeRun._meta.db_table}", flush=True)
    for rows in (count for count in ROWS if count <= most_rows):
        _fill(Run.objects.filter(workflow=workflow).earliest("number"), rows)
        print(f"  {rows:>9} rows  {_median(bench, workflow, TURNS) / LENGTH * 1000:8.3f} ms", flush=True)


def _median(bench: Bench, workflow: Any, repeats: int) -> float:
    bench.run(workflow)
    return statistics.median(timed(lambda _length: bench.run(workflow), 1) for _ in range(repeats))


def _fill(run: Run, rows: int) -> None:
    """Copy an ended run, with its node runs, until the table has so many rows."""
    missing = (rows - NodeRun.objects.count()) // LENGTH
    if missing <= 0:
        return
    runs = ", ".join(f.column for f in Run._meta.concrete_fields if f.name not in {"id", "number"})
    nodes = ", ".join(f.column for f in NodeRun._meta.concrete_fields if f.name not in {"id", "run"})
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH made AS (INSERT INTO runs_run (id, number, {runs}) SELECT gen_random_uuid(),"  # noqa: S608  (constants only)
            f" (SELECT max(number) FROM runs_run) + at, {runs} FROM runs_run, generate_series(1, %s) at"
            " WHERE id = %s RETURNING id)"
            f" INSERT INTO runs_noderun (run_id, {nodes}) SELECT made.id, {nodes} FROM made, runs_noderun old"
            " WHERE old.run_id = %s",
            [missing, run.pk, run.pk],
        )
        cursor.execute(
            "UPDATE workflows_workflow SET run_count = (SELECT max(number) FROM runs_run WHERE workflow_id = %s)"
            " WHERE id = %s",
            [run.workflow_id, run.workflow_id],
        )
        cursor.execute("ANALYZE runs_run")
        cursor.execute("ANALYZE runs_noderun")
