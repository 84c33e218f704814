"""The counts of one graph, as the tests of joins keep them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestra.engine.plan import Plan
from orchestra.engine.progress import Arrival, Count, Progress, initial_counts, settle


class Scope:
    """The counts of one graph, as a database would keep them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.counts = dict(initial_counts(plan))
        self.loaded: list[str] = []

    def load(self, names: Collection[str]) -> Mapping[str, Count]:
        self.loaded += names
        return {name: self.counts[name] for name in names}

    def arrive(self, *arrivals: tuple[str, tuple[str, ...]]) -> Progress:
        self.loaded = []
        progress = settle(self.plan, [Arrival(*arrival) for arrival in arrivals], self.load)
        self.counts.update(progress.counts)
        return progress
