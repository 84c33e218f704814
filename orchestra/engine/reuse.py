"""Which results of a run stay valid in another run with other input or another version of the workflow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from orchestra.engine.expressions import names_read
from orchestra.engine.nodes import kind
from orchestra.engine.plan import Plan, PlanNode
from orchestra.engine.replay import with_all_after

_STAYS = frozenset({"nodes", "item", "index", "loop"})
"""Names whose values are the same wherever the nodes before are."""

_MISSING = object()


def reusable(
    old: Plan,
    new: Plan,
    *,
    old_input: Mapping[str, Any],
    new_input: Mapping[str, Any],
    ended: Collection[str],
    again: Collection[str] = (),
) -> frozenset[str]:
    """Return the nodes of the new plan's own graph whose results in the old run are still right.

    That is a node in `ended` (those that succeeded or were skipped) which means the same in both plans, reads the
    same of input and variables, nothing of the run itself, does not come after one of `again`, and all of whose
    sources are reused too. How often a node is tried and for how long does not matter, nor what it is called.
    """
    before = {"inputs": old_input, "vars": old.variables}
    now = {"inputs": new_input, "vars": new.variables}
    fresh = with_all_after(new, {name for name in again if name in new.nodes})
    found: set[str] = set()
    for node in new.nodes.values():
        if (
            node.id in ended
            and node.id not in fresh
            and all(edge.source in found for edge in node.needs)
            and _is_same(old, new, node.id)
            and all(_reads_the_same(name, before, now) for name in _names(new, node))
        ):
            found.add(node.id)
    return frozenset(found)


def _is_same(old: Plan, new: Plan, name: str) -> bool:
    if name not in old.nodes or _meaning(old.nodes[name]) != _meaning(new.nodes[name]):
        return False
    one, other = old.bodies.get(name), new.bodies.get(name)
    if one is None or other is None:
        return one is other
    same_nodes = list(one.nodes) == list(other.nodes) and all(
        _is_same(one, other, inner) for inner in one.nodes
    )
    return same_nodes and one.output == other.output


def _meaning(node: PlanNode) -> tuple[Any, ...]:
    settings = {name: value for name, value in node.settings.items() if name != "body"}
    return (node.kind, settings, node.when, node.join, set(node.needs), node.on_error, node.reads)


def _names(plan: Plan, node: PlanNode) -> Iterator[str]:
    """Yield the dotted names that a node reads, with those of its body."""
    settings = {name: value for name, value in node.settings.items() if name != "body"}
    yield from names_read(settings)
    for _where, expression in kind(node.kind).conditions(node.settings):
        yield from names_read(expression, is_bare=True)
    if isinstance(node.when, str):
        yield from names_read(node.when, is_bare=True)
    if isinstance(node.on_error, Mapping):
        yield from names_read(node.on_error.get("output"))
    body = plan.bodies.get(node.id)
    if body is not None:
        yield from names_read(body.output)
        for inner in body.nodes.values():
            yield from _names(body, inner)


def _reads_the_same(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    steps = name.split(".")
    if steps[0] in _STAYS:
        return True
    return steps[0] in now and _walk(before, steps) == _walk(now, steps)


def _walk(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(value, Mapping):
            return value
        value = value.get(step, _MISSING)
    return value
