"""Directives for the simulated model: `[[simulate latency=0.2 tps=80 fail=429,cut:1]]`, `[[answer …]]`, `[[call …]]`.

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
CALL = "[[call "
MAX_LATENCY = 600.0
MAX_FAILURES = 50


@dataclass(frozen=True, slots=True)
class Script:
    """How the simulated model behaves: seconds to the first token, tokens per second, scripted failures.

    `tps` None means 60–120, by the prompt; 0 means at once. Attempt n fails as `fail[n-1]` says (`ok` does
    not), and succeeds once the list is used up. `answers` are given instead of computed ones, one per re-ask,
    the last one again after that. `calls` are (tool, arguments as JSON text), asked for before that, one a turn.
    """

    latency: float = 0.15
    tps: float | None = None
    fail: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()

    def failure(self, attempt: int) -> str:
        """Return how this attempt (from 1) fails, empty when it does not."""
        entry = self.fail[attempt - 1] if 0 < attempt <= len(self.fail) else ""
        return "" if entry == "ok" else entry

    def answer(self, round_number: int) -> str | None:
        """Return the scripted answer of a round (0 is the first asking), None when it is to be computed."""
        number = max(0, round_number - len(self.calls))
        return self.answers[min(number, len(self.answers) - 1)] if self.answers else None


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
    calls: list[str] = []
    cleaned: list[Message] = []
    for message in messages:
        if "[[" not in message.content:
            cleaned.append(message)
            continue
        for directive in DIRECTIVE.findall(message.content):
            script = _applied(directive, model, script)
        text, asked = _without(CALL, DIRECTIVE.sub("", message.content))
        text, found = _without(ANSWER, text)
        if message.role in ("system", "user"):
            calls.extend(asked)
            answers.extend(found)
        cleaned.append(message if text == message.content else replace(message, content=text.strip()))
    script = replace(script, answers=tuple(answers)) if answers else script
    pairs = [one.partition(" ") for one in calls]
    return tuple(cleaned), replace(
        script, calls=tuple((p[0], p[2] or "{}") for p in pairs)
    ) if pairs else script


def _without(opening: str, text: str) -> tuple[str, list[str]]:
    """Return the text without its `[[answer …]]` (or other) directives, each the rest of a line, and what they say."""
    if opening not in text:
        return text, []
    lines: list[str] = []
    found: list[str] = []
    for line in text.split("\n"):
        before, mark, said = line.partition(opening)
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
