"""Metrics of the workers, in base units and with bounded labels."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

from orchestra.engine.outcome import Failed, Outcome

COMMIT_SECONDS = Histogram(
    "orchestra_commit_seconds",
    "Time of one group commit",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
COMMIT_SIZE = Histogram(
    "orchestra_commit_operations",
    "Operations in one group commit",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
OPERATION_SECONDS = Histogram(
    "orchestra_operation_seconds",
    "From asking for an operation (claim, record, feed, advance) to its commit",
    ["operation"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)
SEGMENT_SECONDS = Histogram("orchestra_segment_seconds", "Time of one segment on a worker", ["queue"])
RETRIES = Counter("orchestra_retries_total", "Attempts that will be made again", ["kind", "code"])
LEASE_SECONDS = Histogram(
    "orchestra_lease_renewal_seconds",
    "Time of one renewal of this process's lease",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 20),
)
LEASES_MISSED = Counter("orchestra_lease_renewals_failed_total", "Renewals that the database refused")
POSTPONED = Counter("orchestra_nodes_postponed_total", "Attempts that a limit kept from beginning", ["limit"])
NODE_SECONDS = Histogram("orchestra_node_seconds", "Time of one attempt at a node", ["kind"])
NODES = Counter("orchestra_nodes_total", "Attempts at nodes by outcome", ["kind", "outcome"])
BUSY = Gauge("orchestra_attempts_running", "Attempts that workers are making", multiprocess_mode="livesum")
SENT = Counter("orchestra_messages_sent_total", "Messages sent to the broker", ["name"])
RESCUED = Counter("orchestra_rescued_total", "What upkeep had to mend", ["what"])


def timer_of(operation: object) -> Callable[[object], None]:
    """Return what notes, when it is called, how long ago an operation was asked for."""
    started = time.perf_counter()
    place = OPERATION_SECONDS.labels(type(operation).__name__.lower())
    return lambda _future: place.observe(time.perf_counter() - started)


def note_outcome(kind: str, outcome: Outcome) -> None:
    """Count how an attempt ended, and whether it is made again."""
    NODES.labels(kind, type(outcome).__name__.lower()).inc()
    if isinstance(outcome, Failed) and outcome.retry_after is not None:
        RETRIES.labels(kind, str(outcome.error.get("code", "unknown"))).inc()
