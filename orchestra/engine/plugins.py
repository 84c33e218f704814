"""Kinds from packages beside the product, found through the entry point group `orchestra.kinds`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from orchestra.engine.nodes.registry import BadKind, add_foreign

log = logging.getLogger(__name__)

GROUP = "orchestra.kinds"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: the kind that it brought, or why it brought none."""

    name: str
    package: str
    version: str
    kind: str = ""
    problem: str = ""


_found: list[Plugin] | None = None


def load() -> list[Plugin]:
    """Take in the kinds of installed packages, once per process; return every entry point with what came of it.

    A package that is broken keeps nothing else from working: its problem is logged and shown by `doctor`.
    """
    global _found  # noqa: PLW0603  (once per process)
    if _found is None:
        _found = [_take(entry) for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name)]
        for plugin in _found:
            if plugin.problem:
                log.warning(
                    "The kind %s of %s cannot be used: %s", plugin.name, plugin.package, plugin.problem
                )
    return list(_found)


def package_of(kind: str) -> str:
    """Return the package that brought a kind, empty for the product's own."""
    return next((plugin.package for plugin in load() if plugin.kind == kind), "")


def _take(entry: EntryPoint) -> Plugin:
    package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    try:
        kind = add_foreign(entry.load()).name
    except BadKind as error:
        return Plugin(entry.name, package, version, problem=str(error))
    except Exception as error:  # a foreign module may raise anything while it is imported
        return Plugin(entry.name, package, version, problem=f"{type(error).__name__}: {str(error)[:300]}")
    return Plugin(entry.name, package, version, kind)
