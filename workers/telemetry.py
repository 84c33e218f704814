"""Metrics of the workers, in base units and with bounded labels; their spans, and the ids in their logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from prometheus_client import Counter, Gauge, Histogram
from structlog.contextvars import bound_contextvars

from apps.runs.actions.operations import Claimed
from orchestra import tracing
from orchestra.engine.outcome import Failed, Outcome
from orchestra.llm.client import Finish, ModelTarget
from orchestra.tracing import NODE, RUN, WORKFLOW, Span

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
BREAKER_REFUSED = Counter("orchestra_breaker_refusals_total", "Calls that an open circuit breaker kept back")
BREAKER_CHANGES = Counter(
    "orchestra_breaker_changes_total", "Changes of circuit breakers that this process has seen", ["state"]
)
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


def segment_span(run: str, queue: str, trace: str) -> AbstractContextManager[Span]:
    """Return the span of what one message brings, inside the trace that the message names."""
    about = {RUN: run, "messaging.destination.name": queue}
    return tracing.span(f"segment {queue}", about, kind="consumer", within=trace)


@contextmanager
def attempt_span(claimed: Claimed) -> Iterator[Span]:
    """Have what is logged meanwhile name run, node and attempt; and note the attempt as a span."""
    facts, node = claimed.facts, claimed.node
    about: dict[str, str | int] = {
        RUN: facts.run,
        WORKFLOW: facts.workflow,
        NODE: tracing.without_indexes(claimed.path),
        "orchestra.node.kind": node.kind,
        "orchestra.node.attempt": claimed.attempt,
    }
    with (
        bound_contextvars(run=facts.run, node=claimed.path, attempt=claimed.attempt),
        tracing.span(f"node {node.kind}", about) as span,
    ):
        yield span


def note_end(span: Span, outcome: Outcome | None) -> None:
    """Note in its span how an attempt ended; None: it was stopped."""
    span.note({"orchestra.outcome": "stopped" if outcome is None else type(outcome).__name__.lower()})
    if isinstance(outcome, Failed):
        span.fail(str(outcome.error.get("code", "unknown")))


def call_span(target: ModelTarget) -> Span:
    """Begin the span of one call of a model; names as OpenTelemetry's conventions for generative AI have them."""
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": target.model,
        "orchestra.connection": target.connection,
    }
    return tracing.begin(f"chat {target.model}", about, kind="client")


def note_answer(span: Span, finish: Finish) -> None:
    """Note what an answer has taken."""
    span.note(
        {
            "gen_ai.usage.input_tokens": finish.input_tokens,
            "gen_ai.usage.output_tokens": finish.output_tokens,
            "gen_ai.response.finish_reasons": finish.reason,
        }
    )
