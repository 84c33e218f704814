"""Running workflows for real inside the test process: a Celery worker with the event-loop pool, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.contrib.testing.worker import start_worker

from apps.runs.models import NodeRun, Run
from orchestra.celery import QUEUES, app
from workers import runtime, tasks

PATIENCE_SECONDS = 30.0


@contextmanager
def running_worker(**options: Any) -> Iterator[Any]:
    """Start a worker on all queues, with nothing left over from earlier tests; stop it at the end.

    It takes no lease: renewing one between tests would write into the tables of others.
    """
    tasks.app.finalize()
    runtime.lease_with(lambda _runtime: lambda: None)
    with app.connection_for_write() as broker, broker.channel() as channel:
        for name in QUEUES:
            app.amqp.queues[name](channel).declare()
            channel.queue_purge(name)
    settings = {"pool": "workers.pool:LoopPool", "concurrency": 100, "loglevel": "ERROR", **options}
    with start_worker(app, perform_ping_check=False, shutdown_timeout=30, **settings) as worker:
        yield worker


def wait_for_end(run: Run, patience: float = PATIENCE_SECONDS) -> Run:
    """Return the run when it has ended; fail with what it is waiting for when it takes too long."""
    return wait_until(run, lambda fresh: fresh.is_final, patience)


def wait_until(run: Run, holds: Any, patience: float = PATIENCE_SECONDS) -> Run:
    """Return the run, freshly read, once `holds(run)` is true."""
    pause = threading.Event()
    waited = 0.0
    while waited < patience:
        run.refresh_from_db()
        if holds(run):
            run.refresh_from_db()  # what holds was read after the run
            return run
        pause.wait(0.02)
        waited += 0.02
    nodes = list(run.node_runs.values_list("path", "status", "waiting_for"))
    raise AssertionError(f"{run.status} after {patience} s: {nodes}")


def nodes_of(run: Run) -> dict[str, NodeRun]:
    return {node.path: node for node in run.node_runs.all()}


def wait_until_idle(worker: Any, patience: float = PATIENCE_SECONDS) -> None:
    """Return when the worker runs nothing and has committed everything, so that the next test may empty the tables."""
    pause = threading.Event()
    host = worker.pool.host
    deadline = time.monotonic() + patience
    while host.running or worker.pool.traces:
        if time.monotonic() > deadline:
            raise AssertionError(f"The worker is still busy: {list(host.running)}")
        pause.wait(0.01)
    host.recorder.call(lambda: None).result(patience)
