"""Takes expression texts apart into tokens: finds what is forbidden before anything is evaluated, with its position.

The language is Jinja's (https://jinja.palletsprojects.com/en/stable/templates/), less everything that is not output,
`if` or `for`. Evaluation itself is minijinja's (`expressions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestra.engine.filters import ANNOUNCE, FILTERS, NUMBER, TESTS
from orchestra.engine.limits import EXPRESSION_CHARACTERS, EXPRESSION_NAMES

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<text>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
    r"|(?P<number>[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%~<>=.,:|()\[\]{}])",
    re.DOTALL,
)
_OPENING = re.compile(r"\{[{%#]")
_OPEN = {"(": ")", "[": "]", "{": "}"}
_BLOCKS = frozenset({"if", "elif", "else", "endif", "for", "endfor"})
_WORDS = frozenset({"and", "or", "not", "in", "if", "else", "is", "for", "elif"})
_OPERAND_ENDS = frozenset({"and", "or", "not", "in", "if", "else", "is"})
_BINARY = frozenset(
    {"*", "/", "//", "%", "**", "+", "-", "~", "==", "!=", "<", "<=", ">", ">=", "=", ",", ":"}
)


class NotAllowed(Exception):
    """Something in an expression that the language does not have; `offset` counts characters from the start."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Token:
    type: str
    value: str
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a template: literal text, an output `{{ }}`, a block `{% %}` or a comment."""

    type: Literal["literal", "output", "block", "comment"]
    start: int
    end: int
    tokens: tuple[Token, ...] = ()

    @property
    def word(self) -> str:
        """The statement of a block."""
        return self.tokens[0].value if self.tokens else ""


def tokens_of(source: str, start: int = 0, closing: str = "") -> tuple[tuple[Token, ...], int]:
    """Tokenize from `start` up to `closing` (or the end of the text); return the tokens and where they end.

    Raises NotAllowed for characters outside the language and brackets that do not match.
    """
    found: list[Token] = []
    brackets: list[str] = []
    at = start
    while at < len(source):
        if closing and not brackets and _closes(source, at, closing):
            return tuple(found), at
        match = _TOKEN.match(source, at)
        if match is None:
            raise NotAllowed(f"unexpected character {source[at]!r}", at)
        if match.lastgroup != "space":
            token = Token(str(match.lastgroup), match.group(), at)
            _track_brackets(brackets, token)
            found.append(token)
        at = match.end()
    if closing:
        raise NotAllowed(f"`{closing}` is missing", start)
    if brackets:
        raise NotAllowed(f"`{brackets[-1]}` is missing", len(source))
    return tuple(found), at


def _closes(source: str, at: int, closing: str) -> bool:
    return source.startswith(closing, at) or (source[at] in "-+" and source.startswith(closing, at + 1))


def _track_brackets(brackets: list[str], token: Token) -> None:
    if token.type != "sign":
        return
    if token.value in _OPEN:
        brackets.append(_OPEN[token.value])
    elif token.value in ")]}" and (not brackets or brackets.pop() != token.value):
        raise NotAllowed(f"`{token.value}` closes nothing", token.offset)


def parts_of(source: str) -> tuple[Part, ...]:
    """Split a template into its parts. Raises NotAllowed."""
    return tuple(_parts(source))


def _parts(source: str) -> Iterator[Part]:
    at = 0
    while (opening := _OPENING.search(source, at)) is not None:
        start = opening.start()
        if start > at:
            yield Part("literal", at, start)
        if opening.group() == "{#":
            end = source.find("#}", start)
            if end < 0:
                raise NotAllowed("`#}` is missing", start)
            at = end + 2
            yield Part("comment", start, at)
            continue
        closing = "}}" if opening.group() == "{{" else "%}"
        inner = start + 2 + (source[start + 2 : start + 3] in {"-", "+"} and closing == "%}")
        tokens, end = tokens_of(source, inner + (source.startswith("-", inner) and closing == "}}"), closing)
        at = source.index(closing, end) + 2
        yield Part("output" if closing == "}}" else "block", start, at, tokens)
    if at < len(source):
        yield Part("literal", at, len(source))


def check_parts(parts: Sequence[Part]) -> None:
    """Refuse statements other than `if` and `for`, and what expressions may not hold. Raises NotAllowed."""
    for part in parts:
        if part.type == "output":
            check_tokens(part.tokens, part.start, part.end)
        elif part.type == "block":
            _check_block(part)


def _check_block(part: Part) -> None:
    if part.word not in _BLOCKS:
        raise NotAllowed(f"`{part.word or '%'}` is not available: only `if` and `for` are", part.start)
    if part.word == "for" and part.tokens[-1].value == "recursive":
        raise NotAllowed("recursive loops are not available", part.tokens[-1].offset)
    check_tokens(part.tokens[1:], part.start, part.end, before=part.tokens[0])


def check_tokens(tokens: Sequence[Token], start: int, end: int, *, before: Token | None = None) -> None:
    """Refuse calls, unknown filters and tests, and expressions that are too long. Raises NotAllowed."""
    if end - start > EXPRESSION_CHARACTERS:
        raise NotAllowed(f"an expression may have {EXPRESSION_CHARACTERS} characters at most", start)
    if sum(token.type in {"name", "text"} for token in tokens) > EXPRESSION_NAMES:
        raise NotAllowed(f"an expression may hold {EXPRESSION_NAMES} names and texts at most", start)
    for index, token in enumerate(tokens):
        earlier = tokens[index - 1] if index else before
        if token.value == "(" and token.type == "sign" and earlier is not None:
            _check_parenthesis(tokens, index, earlier)
        elif token.type == "name" and earlier is not None:
            _check_name(tokens, index, token, earlier)


def _check_parenthesis(tokens: Sequence[Token], index: int, earlier: Token) -> None:
    if earlier.type == "name":
        if earlier.value in _WORDS and not _follows(tokens, index - 1, "."):
            return
        if _is_filter_or_test(tokens, index - 1):
            _check_named_filter(tokens, index, earlier)
            return
        raise NotAllowed(f"calls are not available: `{earlier.value}(…)`", earlier.offset)
    if earlier.type != "sign" or earlier.value in ")]}":
        raise NotAllowed("calls are not available", tokens[index].offset)


def _follows(tokens: Sequence[Token], index: int, value: str) -> bool:
    return index > 0 and tokens[index - 1].value == value


def _is_filter_or_test(tokens: Sequence[Token], index: int) -> bool:
    if _follows(tokens, index, "|") or _follows(tokens, index, "is"):
        return True
    return _follows(tokens, index, "not") and _follows(tokens, index - 1, "is")


def _check_named_filter(tokens: Sequence[Token], index: int, name: Token) -> None:
    """`map('upper')`, `select('odd')`: a filter or test given by name."""
    known = {"map": FILTERS, "select": TESTS, "reject": TESTS}.get(name.value)
    first = tokens[index + 1] if index + 1 < len(tokens) else None
    if known is None or first is None or first.type != "text":
        return
    if first.value[1:-1] not in known:
        raise NotAllowed(
            f"there is no {'filter' if known is FILTERS else 'test'} {first.value}", first.offset
        )


def _check_name(tokens: Sequence[Token], index: int, token: Token, earlier: Token) -> None:
    if earlier.value == "|" and token.value not in FILTERS:
        raise NotAllowed(f"there is no filter `{token.value}`", token.offset)
    if token.value == "not" or not _is_filter_or_test(tokens, index) or earlier.value == "|":
        return
    if token.value not in TESTS:
        raise NotAllowed(f"there is no test `{token.value}`", token.offset)


def guard(source: str, parts: Sequence[Part]) -> str:
    """Return the text with guards put in against short expressions that would fill the memory of a worker.

    Both operands of every `*` are piped through a filter that accepts numbers only, and each round of a loop
    first announces how much literal text it is about to write.
    """
    inserts: dict[int, str] = {}
    for part in parts:
        for at in _operand_ends(part.tokens):
            inserts[at] = f"|{NUMBER}"
    for part, size in _loops(parts):
        trim = "-" if source[part.end - 3] == "-" else ""
        inserts[part.end] = f"{{{{ {size}|{ANNOUNCE} {trim}}}}}"
    for at in sorted(inserts, reverse=True):
        source = f"{source[:at]}{inserts[at]}{source[at:]}"
    return source


def _operand_ends(tokens: Sequence[Token]) -> Iterator[int]:
    for index, token in enumerate(tokens):
        if token.value == "*" and token.type == "sign" and index:
            yield _end(tokens[index - 1])
            yield _end(tokens[_operand_end(tokens, index)])


def _loops(parts: Sequence[Part]) -> Iterator[tuple[Part, int]]:
    """Each `for`, with the length of the literal text directly in it."""
    stack: list[tuple[Part, int]] = []
    for part in parts:
        if part.type == "block" and part.word == "for":
            stack.append((part, 0))
        elif stack and part.type == "literal":
            loop, size = stack.pop()
            stack.append((loop, size + part.end - part.start))
        elif stack and part.word == "endfor":
            yield stack.pop()
    yield from stack


def _end(token: Token) -> int:
    return token.offset + len(token.value)


def _operand_end(tokens: Sequence[Token], index: int) -> int:
    """Return the index of the last token of the operand to the right of the operator at `index`."""
    depth = 0
    last = index
    for position in range(index + 1, len(tokens)):
        token = tokens[position]
        is_sign = token.type == "sign"
        if is_sign and token.value in _OPEN:
            depth += 1
        elif is_sign and token.value in ")]}":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and last > index and _ends_operand(tokens, position):
            break
        if not (last == index and token.value in {"-", "+"}):
            last = position
    return last


def _ends_operand(tokens: Sequence[Token], position: int) -> bool:
    token = tokens[position]
    if token.type == "sign":
        return token.value in _BINARY
    return token.type == "name" and token.value in _OPERAND_ENDS and not _follows(tokens, position, ".")
