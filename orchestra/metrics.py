"""Figures of the whole installation for Prometheus, read from the database when it asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.runs import figures


class InstallationCollector(Collector):
    """Queues and workers; the labels are bounded by the number of queues."""

    def collect(self) -> Iterator[Metric]:
        queued = GaugeMetricFamily(
            "orchestra_nodes_queued", "Node runs that wait for a worker", labels=["queue"]
        )
        running = GaugeMetricFamily(
            "orchestra_nodes_running", "Node runs that a worker holds", labels=["queue"]
        )
        for queue in figures.queues():
            queued.add_metric([queue.name], queue.queued)
            running.add_metric([queue.name], queue.running)
        delay = GaugeMetricFamily(
            "orchestra_queue_delay_seconds", "What a message needs to come through a queue", labels=["queue"]
        )
        for name, seconds in figures.queue_delays().items():
            delay.add_metric([name], seconds)
        yield delay
        alive = [worker for worker in figures.workers() if worker.is_alive]
        yield queued
        yield running
        yield GaugeMetricFamily("orchestra_workers_alive", "Workers that hold their lease", value=len(alive))
        slots = sum(worker.slots for worker in alive)
        yield GaugeMetricFamily("orchestra_worker_slots", "Nodes they can run at a time", value=slots)
        busy = sum(worker.busy for worker in alive)
        yield GaugeMetricFamily("orchestra_worker_slots_busy", "Nodes they run now", value=busy)

    def describe(self) -> list[Metric]:
        """Name nothing ahead: the registry would read the database while the process starts."""
        return []


INSTALLATION = CollectorRegistry()
INSTALLATION.register(InstallationCollector())
