"""What a worker may run before what it builds on has been recorded.

Nodes without effects may be run again at will, so a worker need not wait for the database between them: it goes
on, and the outcomes are recorded together, in order. Whatever has an effect waits until all that it builds on is
durable. One `Ahead` follows one worker from one claimed node run on; it only ever decides what its own nodes decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestra.engine.outcome import Done, Outcome
from orchestra.engine.plan import ITEM, Plan, PlanNode, Read
from orchestra.engine.progress import decides_early, is_met
from orchestra.engine.scope import NodeResult
from orchestra.engine.status import NodeStatus

Judge = Callable[[PlanNode], bool]


@dataclass(slots=True)
class Ahead:
    """`is_pure` says whether a node's work may be repeated; `is_cheap` whether it costs less than a message."""

    plan: Plan
    known: Mapping[Read, NodeResult]
    """Results that were read from the database; the own ones come on top."""
    is_pure: Judge
    is_cheap: Judge
    has_canvas: bool = False
    """A canvas brings the other segments."""
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The ports that each node taken so far has taken."""
    results: dict[Read, NodeResult] = field(default_factory=dict)

    def after(self, node: PlanNode, outcome: Outcome) -> tuple[PlanNode, ...]:
        """Return the nodes that the end of one makes free to be run at once, in the plan's order."""
        if not isinstance(outcome, Done):
            return ()
        self.taken[node.id] = outcome.ports
        self.results[Read(0, node.id)] = NodeResult(outcome.output, NodeStatus.SUCCEEDED.value)
        targets = dict.fromkeys(edge.target for edge in self.plan.successors[node.id])
        return tuple(found for name in targets if self._is_free(found := self.plan.nodes[name], node))

    def reads_of(self, node: PlanNode) -> dict[Read, NodeResult]:
        return {read: self.results.get(read) or self.known[read] for read in node.reads}

    def _is_free(self, node: PlanNode, source: PlanNode) -> bool:
        if node.id in self.taken or not self.is_pure(node):
            return False
        if node.segment != source.segment and (self.has_canvas or not self.is_cheap(node)):
            return False
        return self._is_ready(node) and all(read in self.results or read in self.known for read in node.reads)

    def _is_ready(self, node: PlanNode) -> bool:
        """Say whether all that a node needs ended here, and well."""
        if any(edge.source not in self.taken for edge in node.needs) or decides_early(node):
            return False
        if node.id == ITEM:
            return len(self.taken) == len(self.plan.nodes) - 1
        live = sum(edge.port in self.taken[edge.source] for edge in node.needs)
        return is_met(node.join, live, len(node.needs))
