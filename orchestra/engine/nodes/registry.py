"""The table of node kinds: those of the product, and those that packages beside it bring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from orchestra.engine.context import Context
from orchestra.engine.nodes.base import Kind, Settings
from orchestra.engine.outcome import Outcome
from orchestra.engine.plan import INLINE
from orchestra.engine.schema import ID_PATTERN, QUEUES
from orchestra.engine.schema_check import find_flaws
from orchestra.errors import Permanent

_kinds: dict[str, Kind] = {}

KINDS: Mapping[str, Kind] = MappingProxyType(_kinds)
"""Every kind that a definition may name, by name, in the order people see."""


class UnknownKind(Permanent):
    """The kind of this node is not installed here any more."""

    code = "unknown_kind"
    hint = "Install the package again that brings this kind, restart, and retry the run."


class BadKind(ValueError):
    """A kind cannot be taken in; the message says why."""


def add(kind: Kind) -> None:
    """Take in a kind of the product."""
    _kinds[kind.name] = kind


def add_foreign(kind: object) -> Kind:
    """Take in a kind of another package and return it. Raises BadKind.

    Such a kind works in one go on a queue, or inline; bodies and waiting are the product's own.
    """
    if not isinstance(kind, Kind):
        raise BadKind(f"It is {type(kind).__name__}, not an orchestra.engine.nodes.base.Kind.")
    for is_fine, flaw in (
        (re.fullmatch(ID_PATTERN, kind.name), f"“{kind.name}” cannot be the name of a kind."),
        (kind.name not in _kinds, f"There is a kind “{kind.name}” already."),
        (
            kind.queue in (INLINE, *QUEUES),
            f"There is no queue “{kind.queue}”; there are {', '.join(QUEUES)}.",
        ),
        (not kind.ends_unit and kind.runs, "Only kinds that work in one go can come from a package."),
        (kind.title and kind.description, "It needs a title and a description."),
        (kind.schema.get("type") == "object", "Its schema must be that of an object."),
    ):
        if not is_fine:
            raise BadKind(flaw)
    flaws = list(find_flaws(kind.schema, "schema"))
    if flaws:
        raise BadKind(f"{flaws[0][0]}: {flaws[0][1]}")
    add(kind)
    return kind


def missing(name: str) -> Kind:
    """Return what stands for a kind that a plan names and that is not installed: it fails with a clear error."""

    async def run(context: Context, settings: Settings) -> Outcome:
        raise UnknownKind(f"The kind “{name}” is not installed here.")

    return Kind(name=name, title=name, description="Not installed here.", run=run)
