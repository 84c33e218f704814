"""How commands read definitions and files, and how they list problems."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from apps.workflows import actions
from apps.workflows.remarks import remarks
from orchestra.engine.plan import Plan
from orchestra.errors import Problem

LARGEST_FILE = 10 * 1024 * 1024


def read_source(name: str) -> str:
    """Return the text of a file, or of standard input for `-`. Raises CommandError (exit code 2)."""
    try:
        raw = sys.stdin.buffer.read(LARGEST_FILE + 1) if name == "-" else _read(Path(name))
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.", returncode=2) from error
    if len(raw) > LARGEST_FILE:
        raise CommandError(f"{name} is larger than {LARGEST_FILE // 1024 // 1024} MB.", returncode=2)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not UTF-8 text (byte {error.start}).", returncode=2) from error


def check_text(text: str, *, unit_size: int | None = None) -> tuple[list[dict[str, Any]], Plan | None]:
    """Return every problem of a definition text as `{path, code, message, line}`, or its plan."""
    definition, problems = actions.read_text(text)
    plan = None
    if definition is not None:
        problems, plan = actions.check(definition, unit_size=unit_size)
    return located(text, problems), plan


def located(text: str, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Return problems as JSON with the line of the text where each stands."""
    return [asdict(remark) for remark in remarks(text, [problem.as_json() for problem in problems])]


def show_problems(out: OutputWrapper, name: str, problems: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per problem: place, path, what is wrong."""
    out.write(f"{name}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}")
    for problem in problems:
        place = f"line {problem['line']}" if problem.get("line") else ""
        path = f"{problem['path']}: " if problem["path"] else ""
        out.write(f"  {place:<10}{path}{problem['message']} [{problem['code']}]")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)
