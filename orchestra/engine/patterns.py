"""Refuses regular expressions that can take exponential time: they come from definitions and meet strangers' text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as constants  # type: ignore[attr-defined]  # no public name for the parse tree
from re import _parser as parser  # type: ignore[attr-defined]  # no public name for the parser
from typing import Any

_LONGEST = 500
_REPEATS = frozenset({constants.MAX_REPEAT, constants.MIN_REPEAT})


def find_pattern_problem(pattern: str) -> str:
    """Return what speaks against a pattern, or nothing: too long, not a pattern, or a repeat within a repeat."""
    if len(pattern) > _LONGEST:
        return f"A pattern may have {_LONGEST} characters at most."
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"This is not a regular expression: {error}."
    try:
        is_risky = any(_is_risky(body) for body in _unbounded(tree))
    except RecursionError:
        is_risky = True
    return (
        "A repeat or an alternative within a repeat can take for ever: write the pattern without it."
        if is_risky
        else ""
    )


def _unbounded(tree: Any) -> Iterator[Any]:
    """Bodies of the repeats without a small bound."""
    for operator, argument in tree:
        if operator in _REPEATS:
            _, most, body = argument
            if most > 20:
                yield body
            yield from _unbounded(body)
        else:
            for inner in _inner(argument):
                yield from _unbounded(inner)


def _is_risky(body: Any) -> bool:
    if _is_separated(body):
        return False
    for operator, argument in body:
        if operator is constants.BRANCH or (operator in _REPEATS and argument[1] > 1):
            return True
        if any(_is_risky(inner) for inner in _inner(argument)):
            return True
    return False


def _is_separated(body: Any) -> bool:
    """Tell whether each round begins with a character that nothing else in it matches, as in `(-[a-z]+)*`."""
    items = list(body)
    while len(items) == 1 and items[0][0] is constants.SUBPATTERN:
        items = list(items[0][1][-1])
    if not items or items[0][0] is not constants.LITERAL:
        return False
    first = items[0][1]
    return all(
        operator in _REPEATS and _is_class_without(argument[2], first) for operator, argument in items[1:]
    )


def _is_class_without(body: Any, character: int) -> bool:
    """Tell whether a body is one set of characters that does not hold a character."""
    if len(body) != 1 or body[0][0] is not constants.IN:
        return False
    for operator, argument in body[0][1]:
        is_apart = (operator is constants.LITERAL and argument != character) or (
            operator is constants.RANGE and not argument[0] <= character <= argument[1]
        )
        if not is_apart:
            return False
    return True


def _inner(argument: Any) -> Iterator[Any]:
    """Sub-patterns in the argument of an operator."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for item in argument:
            yield from _inner(item)
