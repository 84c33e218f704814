"""What changed between two definitions: by path for programs, as a text difference for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from apps.workflows.yaml_text import as_yaml

MOST_CHANGES = 500

Change = dict[str, Any]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return `{path, change: added|removed|changed, old?, new?}` per place that differs, at most 500."""
    found = []
    for change in _walk("", old, new):
        found.append(change)
        if len(found) == MOST_CHANGES:
            break
    return found


def text_difference(old: Mapping[str, Any], new: Mapping[str, Any], *, old_name: str, new_name: str) -> str:
    """Return the unified difference of both definitions as YAML; "" when they are equal."""
    lines = difflib.unified_diff(
        as_yaml(old).splitlines(), as_yaml(new).splitlines(), old_name, new_name, lineterm=""
    )
    return "\n".join(lines)


def _walk(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield {"path": inner, "change": "removed", "old": old[key]}
            elif key not in old:
                yield {"path": inner, "change": "added", "new": new[key]}
            else:
                yield from _walk(inner, old[key], new[key])
    elif old != new:
        yield {"path": path, "change": "changed", "old": old, "new": new}
