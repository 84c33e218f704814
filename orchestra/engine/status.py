"""The statuses of runs and node runs, and which of them are final. Defined here once."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL_RUN


class NodeStatus(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL_NODE


FINAL_RUN = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})
FINAL_NODE = frozenset({NodeStatus.SUCCEEDED, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELLED})


class EventType(StrEnum):
    """What the log of a run can say; `node.delta` and `node.text` are streamed only, never logged."""

    RUN_QUEUED = "run.queued"
    RUN_STARTED = "run.started"
    RUN_WAITING = "run.waiting"
    RUN_PAUSED = "run.paused"
    RUN_RESUMED = "run.resumed"
    RUN_UNDOING = "run.undoing"
    RUN_SUCCEEDED = "run.succeeded"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    NODE_QUEUED = "node.queued"
    NODE_STARTED = "node.started"
    NODE_WAITING = "node.waiting"
    NODE_ASSIGNED = "node.assigned"
    NODE_RETRYING = "node.retrying"
    NODE_SUCCEEDED = "node.succeeded"
    NODE_FAILED = "node.failed"
    NODE_SKIPPED = "node.skipped"
    NODE_CANCELLED = "node.cancelled"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_DECIDED = "approval.decided"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    SIGNAL_RECEIVED = "signal.received"
    EFFECT_DECIDED = "effect.decided"
    USAGE_RECORDED = "usage.recorded"
    BUDGET_WARNED = "budget.warned"
    BUDGET_SPENT = "budget.spent"


class Priority:
    """Run and node priorities, as the wire names them."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    CRITICAL = 3
    ALL = (LOW, NORMAL, HIGH, CRITICAL)
