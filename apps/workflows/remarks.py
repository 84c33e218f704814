"""Definition texts as people read them: where a problem stands in one, and how two of them differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestra.engine.definition import line_numbers

DIFF_CONTEXT = 4
_LINE = re.compile(r"\ALine (\d+): ")
_LAST_PART = re.compile(r"(\.[^.\[\]]*|\[\d+\])\Z|\A[^.\[\]]+\Z")


@dataclass(frozen=True, slots=True)
class Remark:
    """A problem and the line (from 1) of the text where it stands; None when it concerns the whole."""

    path: str
    code: str
    message: str
    line: int | None


def remarks(text: str, problems: Iterable[Mapping[str, str]]) -> list[Remark]:
    """Find the line of each problem: that of its path, or of the nearest thing around it in the text."""
    lines = line_numbers(text)
    found = [
        Remark(p["path"], p["code"], _LINE.sub("", p["message"]), _line_of(p["path"], p["message"], lines))
        for p in problems
    ]
    return sorted(found, key=lambda remark: (remark.line or 0, remark.path))


def _line_of(path: str, message: str, lines: Mapping[str, int]) -> int | None:
    named = _LINE.match(message)
    if named:
        return int(named[1])
    while path and path not in lines:
        path = _LAST_PART.sub("", path)
    return lines.get(path) if path else None


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a comparison; `change` is same, added, removed or gap."""

    change: str
    before: int | None
    after: int | None
    text: str

    @property
    def sign(self) -> str:
        return {"added": "+", "removed": "−"}.get(self.change, "")


def compare(before: str, after: str) -> list[DiffLine]:
    """Return the lines of two texts side by side in one list; empty when they are equal."""
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    lines: list[DiffLine] = []
    for group in matcher.get_grouped_opcodes(DIFF_CONTEXT):
        if lines or group[0][1] > 0:
            lines.append(DiffLine("gap", None, None, ""))
        for tag, i1, i2, j1, j2 in group:
            lines.extend(_diff_lines(tag, old, new, range(i1, i2), range(j1, j2)))
    return lines


def _diff_lines(
    tag: str, old: Sequence[str], new: Sequence[str], olds: range, news: range
) -> Iterator[DiffLine]:
    if tag == "equal":
        yield from (DiffLine("same", i + 1, j + 1, old[i]) for i, j in zip(olds, news, strict=True))
        return
    yield from (DiffLine("removed", i + 1, None, old[i]) for i in olds)
    yield from (DiffLine("added", None, j + 1, new[j]) for j in news)
