"""Collects the problems of one definition while it is checked, bounded in number and in the work of suggestions."""

from __future__ import annotations

from collections.abc import Iterable

from orchestra.engine.limits import PROBLEMS
from orchestra.engine.schemas import suggestion
from orchestra.errors import Problem

_SUGGESTIONS = 20


class Report:
    """The problems found so far, each once, in the order of discovery."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._is_cut = False
        self._suggested = 0

    def add(self, path: str, code: str, message: str) -> None:
        self.extend((Problem(path, code, message),))

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            if len(self._found) >= PROBLEMS:
                self._is_cut = True
                return
            self._found[problem] = None

    def unknown(self, path: str, code: str, message: str, name: str, known: Iterable[str]) -> None:
        """Add a problem about a name that does not exist, with the closest one that does."""
        self._suggested += 1
        hint = suggestion(name, known) if self._suggested <= _SUGGESTIONS else ""
        self.add(path, code, f"{message}{hint}")

    @property
    def problems(self) -> list[Problem]:
        found = list(self._found)
        if self._is_cut:
            found.append(Problem("", "too_many_problems", f"There are more than {PROBLEMS} problems."))
        return found
