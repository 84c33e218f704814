"""Metrics of the workers, in base units and with bounded labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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
NODE_SECONDS = Histogram("orchestra_node_seconds", "Time of one attempt at a node", ["kind"])
NODES = Counter("orchestra_nodes_total", "Attempts at nodes by outcome", ["kind", "outcome"])
BUSY = Gauge("orchestra_nodes_running", "Node runs that this process is running")
SENT = Counter("orchestra_messages_sent_total", "Messages sent to the broker", ["name"])
RESCUED = Counter("orchestra_rescued_total", "What upkeep had to mend", ["what"])
