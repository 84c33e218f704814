"""The registry of node kinds."""

from __future__ import annotations

from orchestra.engine.nodes import (
    agent,
    approval,
    branch,
    function,
    http,
    item,
    llm,
    loop,
    note,
    registry,
    tool,
    transform,
    wait,
    workflow,
)
from orchestra.engine.nodes import map as map_node
from orchestra.engine.nodes.base import Kind
from orchestra.engine.nodes.registry import KINDS

__all__ = ["KINDS", "Kind", "asking_kinds", "kind", "waiting_kinds"]

_WRITABLE = (
    llm,
    agent,
    tool,
    http,
    function,
    transform,
    branch,
    map_node,
    loop,
    workflow,
    approval,
    wait,
    note,
)

for _module in _WRITABLE:
    registry.add(_module.KIND)


def waiting_kinds() -> frozenset[str]:
    """Return the kinds whose nodes wait for the world outside the run."""
    return frozenset(name for name, found in KINDS.items() if found.waits)


def asking_kinds() -> frozenset[str]:
    """Return the kinds whose nodes may lie down until the world has acted: those that wait, or call tools."""
    return frozenset(name for name, found in KINDS.items() if found.waits or found.takes_tools)


def kind(name: str) -> Kind:
    """Return a kind of a plan, the implicit `item` included; one that is not installed fails when it runs."""
    return item.KIND if name == item.NAME else KINDS.get(name) or registry.missing(name)
