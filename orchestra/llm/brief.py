"""Reading a prompt the way the simulated model does: what is asked, and of which text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestra.llm.client import Message
from orchestra.llm.extract import sentences, words_of

Intent = Literal["summary", "score", "rewrite", "compose", "outline", "keywords", "title", "reply"]

PATTERNS: tuple[tuple[Intent, str], ...] = (
    ("score", r"\b(?:scor\w*|rat(?:e|ing)s?|grade|assess|evaluate)\b|打分|评分"),
    ("summary", r"\b(?:summar\w+|condense|shorten|abstract|gist|tl;?dr|brief summary)\b|摘要|总结|概括"),
    ("rewrite", r"\b(?:rewrite|rephrase|improve|revise|polish)\b|改写|润色|改进"),
    (
        "compose",
        r"\b(?:brief(?! summary)|report|article|memo|post|compose)\b|简报|报告",
    ),
    (
        "outline",
        r"\b(?:outline|bullets?|key points?|main points?|list(?!.{0,20}(?:key ?word|tag|topic)))\b"
        r"|大纲|要点|列出",
    ),
    ("keywords", r"\b(?:key ?words?|tags?|topics?)\b|关键词|标签"),
    ("title", r"\b(?:title|headline)\b|标题"),
)
ASKS = tuple((intent, re.compile(pattern, re.IGNORECASE)) for intent, pattern in PATTERNS)
NUMBERS = {
    "a": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "ten": 10,
}
COUNT = re.compile(
    r"\b(\d{1,4}|one|two|three|four|five|six|seven|eight|ten|a)\s+(?:\w+\s+)?"
    r"(sentences?|bullets?|points?|items?|key ?words?|tags?|topics?|words?)\b",
    re.IGNORECASE,
)
FRAMES = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("document", "text", "input", "content", "source", "part")),
    ("```", "```"),
    ('"""', '"""'),
)
"""What people put around a document, opening and closing."""
MAX_INSTRUCTION_WORDS = 80


@dataclass(frozen=True, slots=True)
class Brief:
    """What is asked (`intent`, `instruction`), of which `document`, how many sentences, points or words."""

    intent: Intent
    instruction: str
    document: str
    count: int | None = None
    max_words: int | None = None


def read_brief(messages: Sequence[Message]) -> Brief:
    """Return what a conversation asks: the last user message, and earlier text if it has none."""
    turns = [message.content for message in messages if message.role != "system"]
    prompt = next((message.content for message in reversed(messages) if message.role == "user"), "")
    instruction, document = split_prompt(prompt)
    if not document and len(turns) > 1:
        document = max(turns[:-1], key=len)
    intent = _intent(instruction)
    if intent is None:
        intent = "summary" if len(sentences(document)) > 2 else "reply"
    count, max_words = _count(instruction)
    if not document and intent != "reply":
        document = instruction
    return Brief(intent, instruction, plain_text(document), count, max_words)


def split_prompt(prompt: str) -> tuple[str, str]:
    """Return (instruction, document); the document is empty when the prompt is only an instruction."""
    for opening, closing in FRAMES:
        start = prompt.find(opening)
        end = prompt.rfind(closing)
        if 0 <= start < end:
            around = f"{prompt[:start]} {prompt[end + len(closing) :]}".strip()
            if _is_instruction(around):
                return around, prompt[start + len(opening) : end].strip()
    splits = [(one, other) for one, other in _splits(prompt.strip()) if other and _is_instruction(one)]
    telling = next((pair for pair in splits if _intent(pair[0])), None)
    if telling or splits:
        return telling or splits[0]
    return (prompt.strip(), "") if _is_instruction(prompt) else ("", prompt.strip())


def _splits(prompt: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to part a prompt into (instruction, document), the likeliest first."""
    for mark in ("\n\n", ":\n"):
        head, _, rest = prompt.partition(mark)
        yield head.strip(), rest.strip()
    front, _, tail = prompt.rpartition("\n\n")
    if _intent(tail):
        yield tail.strip(), front.strip()
    head, _, rest = prompt.partition(": ")
    if "\n" not in head and _intent(head):
        yield head.strip(), rest.strip()


def plain_text(document: str) -> str:
    """Return a document as text: JSON (earlier results, say) becomes its strings, one per paragraph."""
    stripped = document.strip()
    if stripped[:1] not in ("[", "{"):
        return document
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        return document
    return "\n\n".join(_strings(value)) or document


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _strings(inner)]
    return []


def _is_instruction(text: str) -> bool:
    return 0 < len(words_of(text)) <= MAX_INSTRUCTION_WORDS


def _intent(instruction: str) -> Intent | None:
    """Return the intent whose word comes first."""
    found = [(match.start(), intent) for intent, ask in ASKS if (match := ask.search(instruction))]
    return min(found)[1] if found else None


def _count(instruction: str) -> tuple[int | None, int | None]:
    count = max_words = None
    for number, what in COUNT.findall(instruction):
        value = int(number) if number.isdigit() else NUMBERS[number.lower()]
        if what.lower().startswith("word"):
            max_words = value
        else:
            count = count or value
    return count, max_words
