"""What must hold of every run, whatever happened meanwhile: told from its rows and its log, by nothing of the engine's.

`Seen` is a run as any surface shows it: the simulation reads rows, `make faults` asks the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestra.engine.plan import ERROR, ITEM, OUT, Plan, PlanNode, path_of, split_path

FINAL = frozenset({"succeeded", "failed", "skipped", "cancelled"})
ENDS = frozenset(f"node.{status}" for status in FINAL)


@dataclass(frozen=True)
class SeenNode:
    path: str
    kind: str
    status: str
    ports: Sequence[str] = ()


@dataclass(frozen=True)
class Seen:
    """One run: what is said of it, its node runs by path, its events in the order of the log."""

    name: str
    run: Mapping[str, Any]
    """`status`, `nodes_done`, `nodes_total`, `seq`."""
    nodes: Mapping[str, SeenNode]
    events: Sequence[Mapping[str, Any]]
    plan: Plan | None = None
    expected: Mapping[str, str] = field(default_factory=dict)
    """True final statuses by path; empty when they are not known."""
    attempts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of results that say which attempt they are of: that attempt, and the one that the node run tells of, by path."""


def violations(seen: Seen) -> list[str]:
    """Return a sentence for everything that does not hold."""
    found = [
        *_true_end(seen),
        *_log_without_gaps(seen),
        *_recorded_once(seen),
        *_recorded_by_the_holder(seen),
        *_counters_are_rows(seen),
        *(_in_order(seen, seen.plan) if seen.plan else ()),
    ]
    return [f"{seen.name}: {sentence}" for sentence in found]


def _true_end(seen: Seen) -> Iterator[str]:
    status = seen.run["status"]
    if status not in {"succeeded", "failed", "cancelled"}:
        resting = Counter(node.status for node in seen.nodes.values() if node.status not in FINAL)
        yield f"never ended, it is {status} with {dict(resting)}"
        return
    resting = Counter(node.status for node in seen.nodes.values() if node.status not in FINAL)
    if resting:
        yield f"is {status} although nodes are {dict(resting)}"
    wrong = {
        path: (node.status, seen.expected[path])
        for path, node in seen.nodes.items()
        if path in seen.expected and node.status != seen.expected[path]
    }
    if wrong:
        yield f"ended untruly, (is, should be): {dict(list(wrong.items())[:5])}"
    if seen.expected and (missing := seen.expected.keys() - seen.nodes.keys()):
        yield f"lacks {sorted(missing)[:5]}"


def _log_without_gaps(seen: Seen) -> Iterator[str]:
    numbers = [event["seq"] for event in seen.events]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"has gaps or repeats in its log: {numbers[:50]}"
    if seen.run["seq"] != len(numbers):
        yield f"says {seen.run['seq']} events, the log holds {len(numbers)}"
    ends = [event["type"] for event in seen.events if event["type"] in {f"run.{s}" for s in FINAL}]
    if len(ends) > 1:
        yield f"ended {len(ends)} times: {ends}"


def _recorded_once(seen: Seen) -> Iterator[str]:
    ends = Counter(event["node"] for event in seen.events if event["type"] in ENDS)
    twice = {path: count for path, count in ends.items() if count > 1}
    if twice:
        yield f"recorded results more than once: {twice}"
    last = {event["node"]: event["type"] for event in seen.events if event["type"] in ENDS}
    other = [
        path
        for path, type_ in last.items()
        if path in seen.nodes and type_ != f"node.{seen.nodes[path].status}"
    ]
    if other:
        yield f"the log says otherwise than the rows of {other[:5]}"


def _recorded_by_the_holder(seen: Seen) -> Iterator[str]:
    for path, (real, told) in seen.attempts.items():
        if real != told:
            yield f"recorded what attempt {real} of {path} brought as attempt {told}"


def _counters_are_rows(seen: Seen) -> Iterator[str]:
    own = [node for node in seen.nodes.values() if node.kind != "item"]
    if seen.run["nodes_total"] != len(own):
        yield f"counts {seen.run['nodes_total']} nodes, there are {len(own)}"
    ended = sum(node.status in FINAL - {"cancelled"} for node in own)
    if seen.run["nodes_done"] != ended:
        yield f"counts {seen.run['nodes_done']} ended nodes, there are {ended}"


# Order --------------------------------------------------------------------------------------
def _in_order(seen: Seen, plan: Plan) -> Iterator[str]:
    """Replay the log: whatever starts must be allowed to by its join, given what had ended by then."""
    ended: dict[str, frozenset[str]] = {}
    for event in seen.events:
        path = event["node"]
        if event["type"] == "node.started":
            scope, name = split_path(path)
            node = plan.at(scope).nodes[name]
            if not _may_start(scope, node, ended):
                yield f"{path} started at {event['seq']} before its join ({node.join.rule}) allowed"
            if path in ended:
                yield f"{path} started at {event['seq']} although it had ended"
        elif event["type"] in ENDS:
            ended[path] = ports_of(seen.nodes.get(path))


def _may_start(scope: str, node: PlanNode, ended: Mapping[str, frozenset[str]]) -> bool:
    if not node.needs or node.id == ITEM:
        return True
    settled = [edge for edge in node.needs if path_of(scope, edge.source) in ended]
    live = sum(edge.port in ended[path_of(scope, edge.source)] for edge in settled)
    is_whole = len(settled) == len(node.needs)
    match node.join.rule:
        case "any":
            return is_whole and live > 0
        case "done":
            return is_whole
        case "all":
            return live == len(node.needs)
        case "first":
            return live > 0
        case "quorum":
            return live >= node.join.need
    return False


def ports_of(node: SeenNode | None) -> frozenset[str]:
    """Return the ports that an ended node takes, guessed from its status where the surface does not tell."""
    if node is None:
        return frozenset()
    if node.ports:
        return frozenset(node.ports)
    return frozenset({"succeeded": (OUT,), "failed": (ERROR,)}.get(node.status, ()))


def all_violations(runs: Iterable[Seen]) -> list[str]:
    return [sentence for seen in runs for sentence in violations(seen)]
