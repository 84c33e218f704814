"""Plan + what became ready → Celery canvas; the only file that knows canvas.

A unit of the plan becomes one `chain`/`group`/`chord` of `run_segment` signatures (ids only, immutable). Two rules,
without which Celery 5.7 repeats or loses work with no fault injected: a no-op join between two neighbouring groups,
and every member of a chord's header ends in exactly one task. Segments that no unit carries are sent one by one, or,
when many of one queue become ready together, as a few feeders that take them from the database.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from celery import chain, group
from celery.canvas import Signature
from kombu.exceptions import OperationalError

from apps.runs.actions.operations import Dispatch, Head
from orchestra.celery import FEED, JOIN, RUN_SEGMENT, BrokerAway, app, wire_priority
from orchestra.engine.plan import Tree, Unit, split_path
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
    units, single = _units_of(dispatch)
    signatures = [_lower(unit.tree, dispatch) for unit in units]
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


def _units_of(dispatch: Dispatch) -> tuple[list[Unit], list[Head]]:
    """Split heads into whole units (all first nodes of a unit with several segments are ready) and single segments."""
    plan = dispatch.plan
    top = {head.path: head for head in dispatch.heads if not split_path(head.path)[0]}
    units: list[Unit] = []
    carried: set[str] = set()
    for path in top:
        segment = plan.nodes[path].segment
        unit = plan.unit_of(segment)
        if path in carried or len(unit.segments) == 1 or dispatch.epoch:
            continue
        first = {plan.segments[s].nodes[0] for s in _first(unit.tree)}
        if first <= top.keys():
            units.append(unit)
            carried |= first
    return units, [head for head in dispatch.heads if head.path not in carried]


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
    return _signature(RUN_SEGMENT, queue, dispatch, run=dispatch.run, path=path, epoch=dispatch.epoch)


def _feed(dispatch: Dispatch, queue: str) -> Signature:
    return _signature(FEED, queue, dispatch, run=dispatch.run, source=queue, epoch=dispatch.epoch)


def _join(dispatch: Dispatch) -> Signature:
    return _signature(JOIN, "control", dispatch)


def _signature(name: str, to: str, dispatch: Dispatch, **arguments: Any) -> Signature:
    options = {"queue": to, "priority": wire_priority(dispatch.priority)}
    return app.signature(name, kwargs=arguments, immutable=True, options=options)
