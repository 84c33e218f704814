"""Reading a text without a model: its sentences, which of them matter, its words, its title, its quality."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
WORD = re.compile(rf"[{CJK}]|[^\W_]+(?:['’-][^\W_]+)*")
CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]{1,8}(\S.*)$", re.MULTILINE)
BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
RULE = re.compile(r"\||[-=:+ ]+$")
BOX = re.compile(r"[\u2500-\u257f]")
MARKS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\n]{0,2000}\)")
END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9À-ÖØ-Þ])|(?<=[。！？])")
ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|no|fig|mr|mrs|ms|dr|prof|st|inc|ltd)|\b[A-Z])\.$", re.IGNORECASE
)
STOP = frozenset(
    re.findall(
        r"\S+",
        """
        a about above after again all also although am an and any are as at be because been before being
        between both but by can could did do does doing down during each either even every few for from
        further had has have having he her here hers him his how however i if in into is it its itself just
        may me might more most much must my no nor not now of off on once one only or other our out over own
        per rather same she should since so some such than that the their them then there these they this
        those through thus to too two under until up upon us very was we were what when where whether which
        while who whom why will with within without would you your
        的 了 和 是 在 我 有 他 这 中 大 来 上 个 们 到 说 为 也 与 及 或 并 对 于 以 其 之 而 等
        就 都 将 被 把
        """,
    )
)


MOST_CHOSEN = 60
"""Sentences taken at most: comparing each with the chosen ones must stay cheap for long texts."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and where it stands: `paragraph` from 0, `place` within it, `order` in the whole text."""

    text: str
    paragraph: int
    place: int
    order: int


def words_of(text: str) -> list[str]:
    """Return the words in lower case; a CJK character counts as a word."""
    return [match.group().lower() for match in WORD.finditer(text)]


@lru_cache(maxsize=256)
def sentences(text: str) -> tuple[Sentence, ...]:
    """Return the sentences of the running text; headings, code and list marks are left out."""
    found: list[Sentence] = []
    for number, block in enumerate(_blocks(text)):
        for place, sentence in enumerate(_split(block)):
            found.append(Sentence(sentence, number, place, len(found)))
    return tuple(found)


def is_sentence(text: str) -> bool:
    """Say whether a text ends as a sentence does; titles and salutations do not."""
    return text.rstrip("\"'”’)]")[-1:] in tuple(".!?。！？…")


def joined(chosen: Sequence[str]) -> str:
    """Return sentences as running text; titles keep their own lines, Chinese needs no spaces."""
    parts = [one if not is_sentence(one) else one + ("" if is_chinese(one) else " ") for one in chosen]
    return "".join(part if is_sentence(part.rstrip()) else f"{part}\n" for part in parts).strip()


def measured(text: str) -> str:
    """Return what can be counted in a text, in words."""
    words = words_of(text)
    return f"{len(words)} words, {len(set(words))} different ones, in {len(sentences(text))} sentences."


def best_sentences(text: str, count: int) -> list[str]:
    """Return the `count` sentences that say most, in the order of the text, without near repeats."""
    everything = sentences(text)
    terms = [frozenset(_terms(one.text)) for one in everything]
    weights = _weights(terms)
    ranked = sorted(everything, key=lambda one: (-_score(one, terms[one.order], weights), one.order))
    chosen: list[Sentence] = []
    for candidate in ranked:
        if len(chosen) >= min(count, MOST_CHOSEN):
            break
        own = terms[candidate.order]
        if not any(_overlap(own, terms[other.order]) > 0.6 for other in chosen):
            chosen.append(candidate)
    return [one.text for one in sorted(chosen, key=lambda one: one.order)]


def keywords(text: str, count: int) -> list[str]:
    """Return the most frequent content words (pairs of characters for CJK), most frequent first."""
    frequency = Counter(_terms(text))
    ranked = sorted(frequency, key=lambda term: (-frequency[term] * math.sqrt(len(term)), term))
    return ranked[:count]


def title_of(text: str) -> str:
    """Return the first heading, else the main words, else a neutral title; at most 80 characters."""
    heading = HEADING.search(CODE.sub("", text))
    if heading:
        return _plain(heading.group(1).rstrip("# \t"))[:80]
    first = text.strip().partition("\n")[0].strip()
    if (
        first
        and "\n" in text.strip()
        and 1 < len(words_of(first)) <= 12
        and first[-1] not in ".!?:;,。！？："
    ):
        return _plain(first)[:80]
    main = keywords(text, 3)
    return ", ".join(main).capitalize()[:80] if main else "Untitled"


def quality(text: str) -> float:
    """Return 0–10 for how well a text is made: substance, variety, sentence length, structure, figures."""
    words = words_of(text)
    if not words:
        return 0.0
    lengths = [len(words_of(one.text)) for one in sentences(text)] or [len(words)]
    mean = sum(lengths) / len(lengths)
    substance = min(1.0, math.log1p(len(words)) / math.log1p(250))
    variety = min(1.0, len(set(words)) / (2.2 * math.sqrt(len(words)) + 1e-9) / 2.5)
    flow = math.exp(-(((mean - 18) / 16) ** 2))
    structure = min(1.0, 0.4 + 0.2 * text.count("\n\n") + 0.2 * len(HEADING.findall(text)))
    figures = 1.0 if any(word[0].isdigit() for word in words) else 0.5
    total = 3.0 * substance + 2.0 * variety + 2.5 * flow + 1.5 * structure + 1.0 * figures
    return round(min(10.0, max(0.0, total)), 1)


def is_chinese(text: str) -> bool:
    """Say whether a text is written mostly in CJK characters."""
    return len(re.findall(rf"[{CJK}]", text)) * 3 > len(text.strip())


def _blocks(text: str) -> list[str]:
    """Return paragraphs and list items as plain text, one string each."""
    plain = HEADING.sub("\n", CODE.sub("\n\n", text))
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", plain):
        current: list[str] = []
        for line in paragraph.splitlines():
            if BULLET.match(line) and current:
                found.append(" ".join(current))
                current = []
            cleaned = _plain(BULLET.sub("", line.lstrip("> ")))
            if cleaned and not _is_drawn(cleaned):
                current.append(cleaned)
        if current:
            found.append(" ".join(current))
    return found


def _plain(text: str) -> str:
    return MARKS.sub("", LINK.sub(r"\1", text)).strip()


def _is_drawn(line: str) -> bool:
    """A line of a table, a rule or a drawing is no part of the running text."""
    return bool(RULE.match(line)) or len(BOX.findall(line)) > 1


def _split(block: str) -> list[str]:
    found: list[list[str]] = []
    for piece in filter(None, map(str.strip, END.split(block))):
        if found and ABBREVIATION.search(found[-1][-1][-10:]):
            found[-1].append(piece)
        else:
            found.append([piece])
    return [" ".join(pieces) for pieces in found]


def _terms(text: str) -> list[str]:
    words = [word for word in words_of(text) if word not in STOP]
    found = [word for word in words if len(word) > 2 and not word.isdigit()]
    found.extend(
        a + b for a, b in re.findall(rf"(?=([{CJK}])([{CJK}]))", text) if a not in STOP and b not in STOP
    )
    return found


def _weights(terms: Sequence[frozenset[str]]) -> dict[str, float]:
    frequency: Counter[str] = Counter()
    for own in terms:
        frequency.update(own)
    return {term: math.log1p(number) for term, number in frequency.items()}


def _score(sentence: Sentence, terms: frozenset[str], weights: dict[str, float]) -> float:
    length = len(words_of(sentence.text))
    if not terms or length < 4:
        return 0.0
    substance = sum(weights.get(term, 0.0) for term in terms) / math.sqrt(len(terms) + 3)
    shape = math.exp(-(((length - 22) / 20) ** 2))
    position = 1.0 + (0.25 if sentence.place == 0 else 0.0) + (0.25 if sentence.paragraph == 0 else 0.0)
    title = 1.0 if is_sentence(sentence.text) else 0.2
    question = 0.6 if sentence.text.rstrip("\"'”’)")[-1:] in "?？" else 1.0
    return substance * (0.4 + 0.6 * shape) * position * question * title


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, min(len(one), len(other)))
