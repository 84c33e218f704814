"""The registry of node kinds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from orchestra.engine.nodes import branch, function, http, item, llm, note, transform
from orchestra.engine.nodes import map as map_node
from orchestra.engine.nodes.base import Kind
from orchestra.engine.nodes.later import LATER

__all__ = ["KINDS", "Kind", "kind"]

_WRITABLE = (llm, transform, branch, map_node, function, http, note)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {found.name: found for found in (*(module.KIND for module in _WRITABLE), *LATER)}
)
"""Every kind that a definition may name, by name, in the order people see."""


def kind(name: str) -> Kind:
    """Return a kind of a plan, the implicit `item` included. Raises KeyError."""
    return item.KIND if name == item.NAME else KINDS[name]
