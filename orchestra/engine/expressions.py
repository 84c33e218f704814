"""The expression language: checks expressions, finds the names they read, and evaluates them on minijinja.

Text with holes renders to text; a text that is exactly one hole keeps the JSON type of its value; `when` and `until`
are bare expressions. Missing names are null. Fuel bounds the work of one render, a cap its result.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import minijinja

from orchestra.engine.expression_text import (
    NotAllowed,
    Part,
    check_parts,
    check_tokens,
    guard,
    parts_of,
    tokens_of,
)
from orchestra.engine.filters import ANNOUNCE, NUMBER, OWN, FilterError, number, plain, text_of
from orchestra.engine.limits import FUEL, TEXT_CHARACTERS
from orchestra.errors import ExpressionError, Problem

_PATH = re.compile(r"\s*([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[[0-9]{1,6}\])*)\s*\Z", re.ASCII)
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[([0-9]+)\]", re.ASCII)
_CACHED = 2_048
_GUARDS = re.compile(rf"\|{NUMBER}|\{{\{{ [0-9]+\|{ANNOUNCE} -?\}}\}}")
_HAS_HOLE = re.compile(r"\{[{%#]")


def render(value: Any, scope: Mapping[str, Any]) -> Any:
    """Evaluate every expression in a JSON value; keys stay as they are. Raises ExpressionError."""
    if isinstance(value, str):
        return _render_text(value, scope) if "{" in value else value
    if isinstance(value, Mapping):
        return {key: render(inner, scope) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [render(inner, scope) for inner in value]
    return value


def evaluate(expression: str, scope: Mapping[str, Any]) -> Any:
    """Evaluate a bare expression to a JSON value. Raises ExpressionError."""
    return _evaluate(_expression(expression), scope)


def is_true(expression: str, scope: Mapping[str, Any]) -> bool:
    """Evaluate a condition; null, false, 0 and what is empty are false. Raises ExpressionError."""
    return bool(evaluate(expression, scope))


def has_holes(text: str) -> bool:
    """Tell whether a text holds expressions, blocks or comments."""
    return _HAS_HOLE.search(text) is not None


def is_one_hole(text: str) -> bool:
    """Tell whether a text is exactly one hole, so that its value keeps its type."""
    try:
        return isinstance(_text(text), _Expression)
    except NotAllowed:
        return False


def check(text: str, path: str = "", *, is_bare: bool = False) -> list[Problem]:
    """Return what is wrong with a text with holes, or with a bare expression, with line and column."""
    found = _find_error(text, is_bare)
    if found is None:
        return []
    message, offset = found
    return [Problem(path, "bad_expression", f"{message[:1].upper()}{message[1:]}{_position(text, offset)}.")]


def names_read(value: Any, *, is_bare: bool = False) -> frozenset[str]:
    """Return the dotted paths that the expressions of a JSON value read: `nodes.outline.output.text`, `item`.

    Texts that `check` refuses read nothing. With `is_bare` a text is one bare expression.
    """
    if isinstance(value, str):
        return _names(value, is_bare)
    if isinstance(value, Mapping):
        return frozenset().union(*map(names_read, value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*map(names_read, value))
    return frozenset()


@dataclass(frozen=True, slots=True)
class _Expression:
    """One expression: `path` when it only walks into the scope, otherwise guarded source for minijinja."""

    source: str
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Template:
    """Text with holes, guarded, for minijinja."""

    source: str


class _Evaluator(threading.local):
    """One minijinja environment per thread: compiled templates, and how much the current render has written."""

    def __init__(self) -> None:
        self.written = 0
        self.names: dict[str, str] = {}
        self.environment = self._new_environment()

    def _new_environment(self) -> minijinja.Environment:
        environment = minijinja.Environment(
            fuel=FUEL,
            undefined_behavior="chainable",
            pycompat=False,
            keep_trailing_newline=True,
            finalizer=self._write,
            auto_escape_callback=lambda name: None,
        )
        for name, function in OWN.items():
            environment.add_filter(name, function)
        environment.add_filter(NUMBER, number)
        environment.add_filter(ANNOUNCE, self._announce)
        for name in ("attr", "chain", "e", "escape", "format", "pprint", "safe", "slice", "zip"):
            environment.remove_filter(name)
        for name in ("range", "dict", "debug", "namespace"):
            environment.remove_global(name)
        return environment

    def _write(self, value: Any) -> str:
        text = text_of(value)
        self._announce(len(text))
        return text

    def _announce(self, size: int) -> None:
        self.written += size
        if self.written > TEXT_CHARACTERS:
            raise FilterError(f"the text is longer than {TEXT_CHARACTERS} characters")

    def render(self, source: str, scope: Mapping[str, Any]) -> str:
        name = self.names.get(source)
        if name is None:
            if len(self.names) >= _CACHED:
                self.names.clear()
                self.environment.clear_templates()
            name = self.names[source] = str(len(self.names))
            self.environment.add_template(name, source)
        self.written = 0
        return self.environment.render_template(name, **scope)

    def evaluate(self, source: str, scope: Mapping[str, Any]) -> Any:
        return self.environment.eval_expr(source, **scope)

    def undeclared(self, source: str) -> Collection[str]:
        return self.environment.undeclared_variables_in_str(source, nested=True)


_evaluator = _Evaluator()


def _render_text(text: str, scope: Mapping[str, Any]) -> Any:
    try:
        compiled = _text(text)
    except NotAllowed as error:
        raise ExpressionError(f"{error.message} in {_excerpt(text)}") from None
    if compiled is None:
        return text
    if isinstance(compiled, _Expression):
        return _evaluate(compiled, scope)
    rendered: str = _guarded(compiled.source, lambda: _evaluator.render(compiled.source, scope))
    if len(rendered) > TEXT_CHARACTERS:
        raise ExpressionError(f"The text is longer than {TEXT_CHARACTERS} characters: {_excerpt(text)}")
    return rendered


def _evaluate(expression: _Expression, scope: Mapping[str, Any]) -> Any:
    if expression.path and expression.path[0] in scope:
        return _walk(scope, expression.path)
    return plain(_guarded(expression.source, lambda: _evaluator.evaluate(expression.source, scope)))


def _walk(scope: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
    value: Any = scope
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, Mapping) else None
        else:
            value = value[step] if isinstance(value, list | tuple | str) and step < len(value) else None
    return value


def _guarded(source: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except minijinja.TemplateError as error:
        reason = error.detail or _KINDS.get(error.kind, error.kind)
        raise ExpressionError(f"{reason} in {_excerpt(source)}") from None
    except (FilterError, ArithmeticError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{error} in {_excerpt(source)}") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # minijinja's, when it meets a defect of its own
            raise
        raise ExpressionError(f"the expression cannot be evaluated: {_excerpt(source)}") from None


_KINDS = {
    "OutOfFuel": "the expression takes too long",
    "InvalidOperation": "an operation does not fit its values",
}


def _excerpt(text: str) -> str:
    short = " ".join(_GUARDS.sub("", text).split())
    return f"`{short if len(short) <= 80 else short[:79] + '…'}`"


@lru_cache(maxsize=_CACHED)
def _text(text: str) -> _Expression | _Template | None:
    """Compile a text: None when it holds no expressions. Raises NotAllowed."""
    if not has_holes(text):
        return None
    parts = parts_of(text)
    check_parts(parts)
    meaningful = [part for part in parts if part.type != "literal" or text[part.start : part.end].strip()]
    if len(meaningful) == 1 and meaningful[0].type == "output":
        part = meaningful[0]
        inner = text[part.start + 2 : part.end - 2]
        return _compiled_expression(inner.removeprefix("-").removesuffix("-"))
    return _Template(guard(text, parts))


@lru_cache(maxsize=_CACHED)
def _compiled_expression(text: str) -> _Expression:
    tokens, _ = tokens_of(text)
    if not tokens:
        raise NotAllowed("the expression is empty", 0)
    check_tokens(tokens, 0, len(text))
    match = _PATH.match(text)
    return _Expression(guard(text, [Part("output", 0, len(text), tokens)]), _steps(match) if match else ())


def _expression(text: str) -> _Expression:
    try:
        return _compiled_expression(text)
    except NotAllowed as error:
        raise ExpressionError(f"{error.message} in {_excerpt(text)}") from None


def _steps(match: re.Match[str]) -> tuple[str | int, ...]:
    steps: list[str | int] = [match.group(1)]
    steps += [name or int(index) for name, index in _STEP.findall(match.group(2))]
    return tuple(steps)


@lru_cache(maxsize=_CACHED)
def _find_error(text: str, is_bare: bool) -> tuple[str, int] | None:
    """Return (message, offset) of what is wrong with a text, or None."""
    try:
        if is_bare:
            tokens, _ = tokens_of(text)
            check_tokens(tokens, 0, len(text))
        elif not has_holes(text):
            return None
        else:
            check_parts(parts_of(text))
    except NotAllowed as error:
        return error.message, error.offset
    shift = 3 if is_bare else 0
    if is_bare and not text.strip():
        return "the expression is empty", 0
    try:
        _evaluator.undeclared(f"{{{{ {text} }}}}" if is_bare else text)
    except minijinja.TemplateError as error:
        offset = error.range[0] if error.range else 0
        characters = len(text.encode()[: max(0, offset - shift)].decode(errors="ignore"))
        return error.detail or "this is not an expression", characters
    return None


@lru_cache(maxsize=_CACHED)
def _names(text: str, is_bare: bool) -> frozenset[str]:
    if _find_error(text, is_bare) is not None or not (is_bare or has_holes(text)):
        return frozenset()
    return frozenset(_evaluator.undeclared(f"{{{{ {text} }}}}" if is_bare else text))


def _position(text: str, offset: int) -> str:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return f" (line {line}, column {column})"
