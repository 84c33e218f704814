"""Directives for the simulated model: `[[simulate latency=0.2 tps=80 fail=429,cut:1]]`, `[[answer …]]`.

A directive with `model=name` holds for that model only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestra.llm.client import Message

DIRECTIVE = re.compile(r" ?\[\[simulate\b([^\]]{0,500})\]\]")
ANSWER = "[[answer "
MAX_LATENCY = 600.0
MAX_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Script:
    """How the simulated model behaves: seconds to the first token, tokens per second, scripted failures.

    `tps` None means 60–120, by the prompt; 0 means at once. Attempt n fails as `fail[n-1]` says (`ok` does
    not), and succeeds once the list is used up. `answers` are given instead of computed ones, one per re-ask,
    the last one again after that.
    """

    latency: float = 0.15
    tps: float | None = None
    fail: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    def failure(self, attempt: int) -> str:
        """Return how this attempt (from 1) fails, empty when it does not."""
        entry = self.fail[attempt - 1] if 0 < attempt <= len(self.fail) else ""
        return "" if entry == "ok" else entry

    def answer(self, round_number: int) -> str | None:
        """Return the scripted answer of a round (0 is the first asking), None when it is to be computed."""
        return self.answers[min(round_number, len(self.answers) - 1)] if self.answers else None


def script_from(options: Mapping[str, Any], base: Script | None = None) -> Script:
    """Return the script that a connection's options ask for; what cannot be read keeps its default."""
    changed = base or Script()
    for key, value in options.items():
        changed = _with(changed, str(key), value)
    return changed


def take_directives(
    messages: Sequence[Message], model: str, base: Script
) -> tuple[tuple[Message, ...], Script]:
    """Return the messages without their directives, and the script with them applied, later ones winning."""
    script = base
    answers: list[str] = []
    cleaned: list[Message] = []
    for message in messages:
        if "[[" not in message.content:
            cleaned.append(message)
            continue
        for directive in DIRECTIVE.findall(message.content):
            script = _applied(directive, model, script)
        text, found = _without_answers(DIRECTIVE.sub("", message.content))
        if message.role != "assistant":
            answers.extend(found)
        cleaned.append(message if text == message.content else replace(message, content=text.strip()))
    return tuple(cleaned), replace(script, answers=tuple(answers)) if answers else script


def _without_answers(text: str) -> tuple[str, list[str]]:
    """Return the text without its `[[answer …]]` directives, each the rest of one line, and what they say."""
    if ANSWER not in text:
        return text, []
    lines: list[str] = []
    found: list[str] = []
    for line in text.split("\n"):
        before, mark, said = line.partition(ANSWER)
        if mark and said.rstrip().endswith("]]"):
            found.append(said.rstrip().removesuffix("]]").strip())
            line = before.rstrip()  # noqa: PLW2901 - the line as it is kept
        lines.append(line)
    return "\n".join(lines), found


def _applied(directive: str, model: str, script: Script) -> Script:
    pairs = dict(pair.split("=", 1) for pair in directive.split() if "=" in pair)
    if pairs.get("model", model) != model:
        return script
    return script_from(pairs, script)


def _with(script: Script, key: str, value: Any) -> Script:
    if key == "fail":
        entries = value if isinstance(value, (list, tuple)) else str(value).split(",")
        names = [str(entry).strip() for entry in entries]
        return replace(script, fail=tuple(name for name in names if name)[:MAX_FAILURES])
    if key == "latency":
        return replace(script, latency=min(MAX_LATENCY, max(0.0, _number(value, script.latency))))
    if key == "tps":
        return replace(script, tps=max(0.0, _number(value, script.tps or 0.0)))
    return script


def _number(value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if number == number and number != float("inf") else default
