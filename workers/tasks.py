"""The tasks: ids in, one call, nothing out. What happened stands in the database."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from apps.runs.actions.probes import note_probe
from orchestra.celery import ADVANCE, FEED, JOIN, PROBE, RUN_SEGMENT, app
from orchestra.tracing import TRACEPARENT
from workers import lifecycle as lifecycle  # connects the worker's signals
from workers import runtime
from workers.runtime import wait

LOOP_WIDTH = 250
CPU_WIDTH = 16


@app.task(name=ADVANCE)
def advance(run: str, raised_to: int | None = None) -> None:
    """Send out whatever of a run is queued, what has waited long with a higher priority."""
    wait(runtime.current().advance(run, raised_to))


@app.task(name=RUN_SEGMENT, bind=True)
def run_segment(self: Any, run: str, path: str, epoch: int) -> None:
    """Run a segment from the node run at `path` on."""
    follows = bool(self.request.chain or self.request.chord)
    queue = queue_of(self.request)
    trace = trace_of(self.request)
    wait(runtime.current().run_segment(run, path, epoch, queue=queue, follows=follows, trace=trace))


@app.task(name=FEED, bind=True)
def feed(self: Any, run: str, source: str, epoch: int) -> None:
    """Take a run's queued node runs of one queue until none is left."""
    current, trace = runtime.current(), trace_of(self.request)
    if source == "cpu":
        until = time.monotonic() + runtime.FEED_SECONDS
        wait(current.feed(run, source, epoch, width=CPU_WIDTH, until=until, trace=trace))
    else:
        wait(current.feed(run, source, epoch, width=LOOP_WIDTH, trace=trace))


@app.task(name=JOIN)
def join() -> None:
    """Stand between two groups of a canvas."""


@app.task(name=PROBE)
def probe(source: str, number: int) -> None:
    """Say that a message has come through a queue."""
    runtime.in_database(partial(note_probe, source, number))


def queue_of(request: Any) -> str:
    """Return the queue that a message came from."""
    return str((request.delivery_info or {}).get("routing_key") or "control")


def trace_of(request: Any) -> str:
    """Return the traceparent that a message carries; "" when it carries none."""
    return str(request.get(TRACEPARENT) or "")
