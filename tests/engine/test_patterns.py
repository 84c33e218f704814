"""Regular expressions of definitions that could take for ever are refused."""

from __future__ import annotations

import pytest

from orchestra.engine.patterns import find_pattern_problem


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}\d{4}$",
        r"^\S+@\S+$",
        "^[a-z]+(-[a-z]+)*$",
        "a{1000}",
        "(ab|cd){2}",
        r"^(\+\d{1,3})?\d+$",
        "^(?:(?:-[a-z]+))*$",
        "",
    ],
)
def test_ordinary_patterns_are_fine(pattern: str) -> None:
    assert find_pattern_problem(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*",
        "(a|aa)+$",
        "(.*)*",
        "([a-z]+)*",
        "(-[a-z-]+)*",
        "(-.*)*",
        "(x+x+)+y",
        "((a{2,9})+)",
        "(",
        "[",
        "a" * 501,
    ],
)
def test_dangerous_or_broken_patterns_are_not(pattern: str) -> None:
    assert find_pattern_problem(pattern)
