"""A graph some of whose nodes keep their results while the others start anew: for retries and forks."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from orchestra.engine.plan import Plan
from orchestra.engine.progress import Arrival, Count, initial_counts, settle


@dataclass(frozen=True, slots=True)
class Replay:
    """The state that follows from the results that are kept; a node that is neither named here nor kept is pending."""

    ready: tuple[str, ...]
    """Nodes that are not kept and may run now."""

    skipped: frozenset[str]
    """Nodes that the kept results skip."""

    counts: Mapping[str, Count]
    """The count of every join with at least two incoming edges."""


def replay(plan: Plan, kept: Mapping[str, Collection[str]]) -> Replay:
    """Settle the kept nodes of one graph again, from its start; `kept` holds the ports that each has taken.

    What decides a join does not depend on the order of arrivals, so this gives what a run with these results would
    have come to. A kept node counts only when the nodes before it bring it to its turn. Takes linear time.
    """
    counts = dict(initial_counts(plan))
    ready: list[str] = []
    skipped: set[str] = set()
    reached = deque(plan.starts)
    while reached:
        name = reached.popleft()
        if name not in kept:
            ready.append(name)
            continue
        arrival = Arrival(name, tuple(kept[name]))
        progress = settle(plan, [arrival], lambda names: {node: counts[node] for node in names})
        counts.update(progress.counts)
        skipped.update(progress.skipped)
        reached.extend(progress.ready)
    return Replay(tuple(ready), frozenset(skipped), counts)


def with_all_after(plan: Plan, roots: Iterable[str]) -> frozenset[str]:
    """Return nodes of a graph together with every node that comes after one of them."""
    found = set(roots)
    waiting = deque(found)
    while waiting:
        for edge in plan.successors[waiting.popleft()]:
            if edge.target not in found:
                found.add(edge.target)
                waiting.append(edge.target)
    return frozenset(found)
