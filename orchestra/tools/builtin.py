"""Functions that every installation has: text in parts, counting, and a few to try things with."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from orchestra.errors import ToolFailed
from orchestra.tools.functions import function

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
MAX_FIBO = 5000


@function("split_text", title="Split text into parts", pure=True)
def split_text(text: str, max_words: int = 400) -> list[dict[str, Any]]:
    """Cut a text into parts of at most `max_words` words, at paragraphs if possible, else at sentences.

    Returns `[{index, text, words}]` in order; a Chinese or Japanese character counts as a word.
    """
    if max_words < 1:
        raise ToolFailed("max_words must be at least 1.")
    parts: list[str] = []
    words = 0
    for block, size in _blocks(text, max_words):
        if parts and words + size <= max_words:
            parts[-1] = f"{parts[-1]}\n\n{block}"
            words += size
        else:
            parts.append(block)
            words = size
    return [{"index": index, "text": part, "words": count(part)} for index, part in enumerate(parts)]


@function("count_words", title="Count words", pure=True)
def count_words(text: str) -> int:
    """Count the words of a text; a Chinese or Japanese character counts as a word."""
    return count(text)


@function("noop", title="Do nothing", pure=True)
def noop() -> None:
    """Do nothing and return null."""


@function("echo", title="Return the value", pure=True)
def echo(value: Any = None) -> Any:
    """Return the value that was given."""
    return value


@function("fibo", title="Fibonacci number", pure=True)
def fibo(n: int) -> int | str:
    """Return the n-th Fibonacci number; as text beyond 2⁵³, where JSON numbers stop being exact."""
    if not 0 <= n <= MAX_FIBO:
        raise ToolFailed(f"n must be between 0 and {MAX_FIBO}.")
    low, high = 0, 1
    for _ in range(n):
        low, high = high, low + high
    return low if low < 2**53 else str(low)


def count(text: str) -> int:
    """Return the number of words."""
    return sum(1 for _ in WORD.finditer(text))


def _blocks(text: str, max_words: int) -> list[tuple[str, int]]:
    """Return paragraphs, cut further where one alone is too long, with their words."""
    found: list[tuple[str, int]] = []
    for paragraph in map(str.strip, re.split(r"\n\s*\n", text)):
        size = count(paragraph)
        if size > max_words:
            found.extend(_cut(paragraph, max_words))
        elif size:
            found.append((paragraph, size))
    return found


def _cut(paragraph: str, max_words: int) -> list[tuple[str, int]]:
    """Cut one long paragraph at sentences, and a sentence that is still too long between words."""
    found: list[tuple[str, int]] = []
    start = end = words = 0
    for piece_start, piece_end, size in _pieces(paragraph, max_words):
        if words and words + size > max_words:
            found.append((paragraph[start:end].strip(), words))
            start, words = piece_start, 0
        end, words = piece_end, words + size
    found.append((paragraph[start:end].strip(), words))
    return found


def _pieces(paragraph: str, max_words: int) -> list[tuple[int, int, int]]:
    """Return (start, end, words) of sentences, in order; long sentences in runs of `max_words`."""
    edges = [0, *(match.end() for match in SENTENCE_END.finditer(paragraph)), len(paragraph)]
    found: list[tuple[int, int, int]] = []
    for start, end in pairwise(edges):
        starts = [match.start() for match in WORD.finditer(paragraph, start, end)]
        cuts = [start, *starts[max_words::max_words], end]
        for number, (low, high) in enumerate(pairwise(cuts)):
            size = min(max_words, len(starts) - number * max_words)
            if size > 0:
                found.append((low, high, size))
    return found
