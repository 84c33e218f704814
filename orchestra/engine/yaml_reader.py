"""Reads YAML 1.2 (core schema) into plain JSON values, refusing everything that is not data.

Works on parser events with an explicit stack, so that depth is bounded before anything is built and aliases
cannot multiply. Keeps the line of every path for editors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from orchestra.engine.limits import DEFINITION_BYTES, DEFINITION_VALUES, JSON_DEPTH
from orchestra.errors import Problem

TOO_LARGE = f"This is larger than {DEFINITION_BYTES // 1024} KiB or {DEFINITION_VALUES} values."

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}\Z|0o[0-7]{1,40}\Z|0x[0-9a-fA-F]{1,40}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotReadable(Exception):
    """The text is not a definition; `problem` says where and why."""

    def __init__(self, code: str, message: str, *, path: str = "", line: int | None = None) -> None:
        where = f"Line {line}: " if line else ""
        self.problem = Problem(path, code, f"{where}{message}")
        super().__init__(self.problem.message)


@dataclass(slots=True)
class _Frame:
    """One open mapping or sequence; `key` is the mapping key whose value comes next."""

    value: dict[str, Any] | list[Any]
    path: str
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    frames: list[_Frame] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    root: Any = None
    documents: int = 0
    values: int = 0

    def add(self, value: Any) -> None:
        """Put a finished or opened value where it belongs."""
        self.values += 1
        if self.values > DEFINITION_VALUES:
            raise NotReadable("too_large", TOO_LARGE)
        if not self.frames:
            self.root = value
            return
        frame = self.frames[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is not None:
            frame.value[frame.key] = value
            frame.key = None

    def next_path(self) -> str:
        if not self.frames:
            return ""
        frame = self.frames[-1]
        if isinstance(frame.value, list):
            return f"{frame.path}[{len(frame.value)}]"
        return f"{frame.path}.{frame.key}" if frame.path else str(frame.key)

    @property
    def wants_key(self) -> bool:
        return bool(self.frames) and isinstance(self.frames[-1].value, dict) and self.frames[-1].key is None


def read_yaml(text: str) -> tuple[Any, dict[str, int]]:
    """Return the value of a YAML text and the line (from 1) of each path in it. Raises NotReadable."""
    builder = _Builder()
    for event in _events(text):
        _take(builder, event)
    if builder.documents == 0:
        raise NotReadable("empty", "The text is empty.")
    return builder.root, builder.lines


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise NotReadable(
            "bad_yaml", f"This is not YAML: {error.problem or error.context}.", line=line
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise NotReadable("bad_yaml", f"This is not YAML: {str(error).splitlines()[0]}.") from None


def _take(builder: _Builder, event: Any) -> None:
    line = event.start_mark.line + 1
    if isinstance(event, yaml.AliasEvent):
        raise NotReadable("yaml_alias", "Aliases (*name) are not supported: write the value out.", line=line)
    if isinstance(event, yaml.DocumentStartEvent):
        builder.documents += 1
        if builder.documents > 1:
            raise NotReadable("bad_yaml", "Only one YAML document is expected.", line=line)
    elif isinstance(event, yaml.NodeEvent):
        _refuse_anchor_and_tag(event, line)
        if isinstance(event, yaml.ScalarEvent):
            _take_scalar(builder, event, line)
        else:
            _open(builder, event, line)
    elif isinstance(event, yaml.CollectionEndEvent):
        builder.frames.pop()


def _refuse_anchor_and_tag(event: Any, line: int) -> None:
    if event.anchor is not None:
        raise NotReadable("yaml_alias", f"Anchors (&{event.anchor}) are not supported.", line=line)
    tag = getattr(event, "tag", None)
    if tag not in {None, "!"}:
        raise NotReadable("yaml_tag", f"YAML tags ({tag[:40]}) are not supported.", line=line)


def _open(builder: _Builder, event: Any, line: int) -> None:
    if builder.wants_key:
        raise NotReadable("bad_key", "A key must be text, not a list or a mapping.", line=line)
    path = builder.next_path()
    if len(builder.frames) >= JSON_DEPTH:
        raise NotReadable("too_deep", f"Nested deeper than {JSON_DEPTH} levels.", line=line)
    value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
    builder.add(value)
    builder.lines.setdefault(path, line)
    builder.frames.append(_Frame(value, path))


def _take_scalar(builder: _Builder, event: Any, line: int) -> None:
    if not builder.wants_key:
        path = builder.next_path()
        value = event.value if not event.implicit[0] else _plain(event.value, path, line)
        builder.add(value)
        builder.lines.setdefault(path, line)
        return
    frame = builder.frames[-1]
    frame.key = event.value
    path = builder.next_path()
    if event.value in frame.value:
        first = builder.lines.get(path)
        raise NotReadable(
            "duplicate_key",
            f"The key “{event.value[:80]}” is given twice (first in line {first}).",
            path=path,
            line=line,
        )
    if event.value == "<<" and event.implicit[0]:
        raise NotReadable("yaml_alias", "Merge keys (<<) are not supported: write the values out.", line=line)
    builder.lines[path] = line


def _plain(text: str, path: str, line: int) -> Any:
    """Resolve an unquoted scalar by the core schema of YAML 1.2 (section 10.3.2)."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.match(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _NOT_FINITE.match(text):
        raise NotReadable("bad_number", "Only finite numbers are JSON.", path=path, line=line)
    if _FLOAT.match(text):
        number = float(text)
        if not math.isfinite(number):
            raise NotReadable("bad_number", "Only finite numbers are JSON.", path=path, line=line)
        return number
    return text
