"""Plan + what became ready → Celery canvas; the only file that knows canvas.

A unit of the plan becomes one `chain`/`group`/`chord` of `run_segment` signatures (ids only, immutable). Two rules,
without which Celery 5.7 repeats or loses work with no fault injected: a no-op join between two neighbouring groups,
and every member of a chord's header ends in exactly one task. Segments that no unit carries are sent one by one, or,
when many of one queue become ready together, as a few feeders that take them from the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from typing import Any

from celery import chain, group
from celery.canvas import Signature
from kombu.exceptions import OperationalError

from apps.runs.actions.operations import Dispatch, Head
from orchestra.celery import FEED, JOIN, RUN_SEGMENT, BrokerAway, app, wire_priority
from orchestra.engine.plan import Tree, split_path
from orchestra.tracing import headers_of
from workers import telemetry

FEED_FROM = 16
"""So many ready segments of one queue are fed instead of sent one by one."""

FEEDERS = 8
SEGMENTS_A_FEEDER = 64


def send(dispatch: Dispatch) -> int:
    """Send everything that a dispatch names; return the number of messages put on the broker. Raises BrokerAway."""
    signatures = lower(dispatch)
    try:
        with app.producer_or_acquire(None) as producer:
            for signature in signatures:
                signature.apply_async(producer=producer, retry=False)
    except (OperationalError, OSError) as error:
        raise BrokerAway(str(error)) from error
    telemetry.SENT.labels("segment").inc(len(signatures))
    return len(signatures)


def lower(dispatch: Dispatch) -> list[Signature]:
    """Return the canvases to be sent for a dispatch, units first."""
    trees, single = _trees_of(dispatch)
    signatures = [_lower(tree, dispatch) for tree in trees]
    by_queue: dict[str, list[Head]] = defaultdict(list)
    for head in single:
        by_queue[head.queue].append(head)
    for queue, heads in by_queue.items():
        if len(heads) >= FEED_FROM:
            count = min(FEEDERS, -(-len(heads) // SEGMENTS_A_FEEDER) + 1)
            signatures += [_feed(dispatch, queue) for _ in range(count)]
        else:
            signatures += [_segment(dispatch, head.path, head.queue) for head in heads]
    return signatures


def _trees_of(dispatch: Dispatch) -> tuple[list[Tree], list[Head]]:
    """Split heads into what starts a unit, or what is left of one, and single segments.

    A segment that was broken off goes out alone from where it stopped: a unit's canvas would start it anew.
    """
    plan = dispatch.plan
    top = {head.path: plan.nodes[head.path] for head in dispatch.heads if not split_path(head.path)[0]}
    ready = {node.segment: path for path, node in top.items() if plan.segments[node.segment].nodes[0] == path}
    trees: list[Tree] = []
    carried: set[str] = set()
    for segment, path in ready.items():
        unit = plan.unit_of(segment)
        if path in carried or len(unit.segments) == 1 or dispatch.epoch:
            continue
        tree = _rest(unit.tree, ready.keys() & set(unit.segments))
        if tree is not None and tree.op != "leaf":
            trees.append(tree)
            carried |= {ready[first] for first in _first(tree)}
    return trees, [head for head in dispatch.heads if head.path not in carried]


def _rest(tree: Tree, ready: Set[int]) -> Tree | None:
    """Return what is left of a tree whose ready segments are these: in a series all that precedes them is done."""
    if tree.op != "series":
        return tree if ready == set(_first(tree)) else None
    for index, child in enumerate(tree.children):
        if ready == set(_first(child)):
            left = tree.children[index:]
            return Tree("series", children=left) if len(left) > 1 else child
    return None


def _first(tree: Tree) -> list[int]:
    """Return the segments that a tree starts with."""
    if tree.op == "leaf":
        return [tree.segment]
    children = tree.children[:1] if tree.op == "series" else tree.children
    return [segment for child in children for segment in _first(child)]


def _lower(tree: Tree, dispatch: Dispatch) -> Signature:
    if tree.op == "leaf":
        segment = dispatch.plan.segments[tree.segment]
        return _segment(dispatch, segment.nodes[0], segment.queue)
    if tree.op == "parallel":
        return group([_closed(_lower(child, dispatch), child, dispatch) for child in tree.children])
    steps: list[Any] = []
    for index, child in enumerate(tree.children):
        if index and child.op == "parallel" and tree.children[index - 1].op == "parallel":
            steps.append(_join(dispatch))
        steps.append(_lower(child, dispatch))
    return chain(*steps)


def _closed(signature: Signature, tree: Tree, dispatch: Dispatch) -> Signature:
    """Return a chord member that ends in exactly one task."""
    return chain(signature, _join(dispatch)) if _ends_in_group(tree) else signature


def _ends_in_group(tree: Tree) -> bool:
    if tree.op == "series":
        return _ends_in_group(tree.children[-1])
    return tree.op == "parallel"


def _segment(dispatch: Dispatch, path: str, queue: str) -> Signature:
    own = dispatch.plan.node_at(path).priority
    return _signature(
        RUN_SEGMENT, queue, dispatch, own=own, run=dispatch.run, path=path, epoch=dispatch.epoch
    )


def _feed(dispatch: Dispatch, queue: str) -> Signature:
    return _signature(FEED, queue, dispatch, run=dispatch.run, source=queue, epoch=dispatch.epoch)


def _join(dispatch: Dispatch) -> Signature:
    return _signature(JOIN, "control", dispatch)


def _signature(name: str, to: str, dispatch: Dispatch, own: int | None = None, **arguments: Any) -> Signature:
    """Return a message; its priority is the node's `own`, else the run's, and more where that has waited long."""
    priority = max(dispatch.priority if own is None else own, dispatch.raised_to or 0)
    options: dict[str, Any] = {"queue": to, "priority": wire_priority(priority)}
    if dispatch.trace:
        options["headers"] = headers_of(dispatch.trace)
    return app.signature(name, kwargs=arguments, immutable=True, options=options)
