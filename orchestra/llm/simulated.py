"""The simulated model: it works on the text it is given, always answers alike, and never leaves this machine.

It extracts; it does not think. Summaries are the text's own best sentences, scores come from countable
qualities, JSON is filled from the text. Speed and failures are scripted (`orchestra.llm.script`).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from orchestra.errors import ModelTimeout, ModelUnavailable, NodeFailure
from orchestra.llm.brief import Brief, read_brief
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, TextDelta, ToolCall
from orchestra.llm.extract import (
    best_sentences,
    is_chinese,
    is_sentence,
    joined,
    keywords,
    measured,
    quality,
    sentences,
    title_of,
    words_of,
)
from orchestra.llm.fit import fit
from orchestra.llm.script import Script, take_directives
from orchestra.llm.tokens import count_tokens, pieces
from orchestra.llm.tool_use import announcement, calls_of, report, results_in, with_results
from orchestra.llm.wire import error_for

MODELS = ("simulated-1", "simulated-2")
BRIEF_LABELS = ("In short", "Key points", "Figures", "Conclusion")
TICK_SECONDS = 0.05
AT_ONCE = 64
READ_IN_PASSING = 20_000
"""Characters that are read in a few milliseconds."""


class SimulatedClient:
    """A ModelClient without a provider, for first steps, demonstrations, tests and load."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """Yield the answer at the scripted speed. Raises what the script says, and ModelTimeout."""
        messages, script = take_directives(request.messages, request.model, self.script)
        clock = _Clock(request.timeout)
        failure = script.failure(request.attempt)
        await clock.sleep(float("inf") if failure in ("silence", "timeout") else script.latency)
        cut = _raise_scripted(failure)
        calls = calls_of(request, messages, script)
        text, reason = await said(request, messages, script, calls)
        for number, (piece, pause) in enumerate(paced(text, script, request)):
            if number == cut:
                raise ModelUnavailable("The stream was cut before the answer was complete.")
            yield TextDelta(piece)
            await clock.sleep(pause)
        if cut is not None:
            raise ModelUnavailable("The stream was cut before the answer was complete.")
        yield Finish(reason, tokens_in(messages), tokens_out(text, calls), request.model, calls)


async def said(
    request: ModelRequest, messages: tuple[Message, ...], script: Script, calls: Sequence[ToolCall]
) -> tuple[str, str]:
    """Return (text, finish reason): beside calls one sentence, otherwise the answer."""
    if calls:
        return announcement(calls), "tool_calls"
    return limited(await answer_to(request, messages, script), request.max_tokens)


async def answer_to(request: ModelRequest, messages: tuple[Message, ...], script: Script) -> str:
    """Return the whole answer; a long text is read in a thread, so that other streams go on meanwhile."""
    if sum(len(message.content) for message in messages) < READ_IN_PASSING:
        return compose_answer(request, messages, script)
    return await asyncio.to_thread(compose_answer, request, messages, script)


def compose_answer(request: ModelRequest, messages: tuple[Message, ...], script: Script) -> str:
    """Return the whole answer to a request whose directives have been taken out into `script`."""
    scripted = script.answer(sum(1 for message in messages if message.role == "assistant"))
    if scripted is not None:
        return scripted
    results = results_in(messages)
    if request.schema is not None:
        value = fit(request.schema, read_brief(_first_asking(messages)))
        return json.dumps(with_results(value, request.schema, results), ensure_ascii=False)
    if results:
        brief = read_brief(_first_asking(messages))
        made = "" if brief.intent == "reply" else f"\n\n{_WRITERS[brief.intent](brief)}"
        return f"{report(results, brief)}{made}".replace("\x00", "")
    brief = read_brief(messages)
    return _WRITERS[brief.intent](brief).replace("\x00", "")


def limited(text: str, max_tokens: int | None) -> tuple[str, str]:
    """Return (text, finish reason): cut after `max_tokens` tokens when there are more."""
    if max_tokens is None:
        return text, "stop"
    parts = pieces(text)
    return (text, "stop") if len(parts) <= max_tokens else ("".join(parts[: max(0, max_tokens)]), "length")


def paced(text: str, script: Script, request: ModelRequest) -> Iterator[tuple[str, float]]:
    """Yield (piece, seconds to pause after it); several tokens a piece, so that many streams stay cheap."""
    tps = tokens_per_second(script, request)
    size = AT_ONCE if tps == 0 else max(1, round(tps * TICK_SECONDS))
    parts = pieces(text)
    for start in range(0, len(parts), size):
        batch = parts[start : start + size]
        yield "".join(batch), (len(batch) / tps if tps else 0.0)


def tokens_per_second(script: Script, request: ModelRequest) -> float:
    """Return the scripted speed, or 60–120 by the prompt so that parallel nodes are told apart."""
    if script.tps is not None:
        return script.tps
    prompt = request.messages[-1].content if request.messages else ""
    return 60.0 + zlib.crc32(prompt.encode(errors="replace")) % 61


def tokens_in(messages: tuple[Message, ...]) -> int:
    """Return the tokens of a conversation."""
    return sum(count_tokens(message.content) for message in messages)


def tokens_out(text: str, calls: Sequence[ToolCall]) -> int:
    """Return the tokens of an answer and its calls."""
    return count_tokens(text + "".join(call.name + call.arguments for call in calls))


class _Clock:
    """Sleep, but never beyond the request's time limit."""

    def __init__(self, timeout: float | None) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout

    async def sleep(self, seconds: float) -> None:
        if self._deadline is None:
            seconds = min(seconds, 3600.0)
        elif time.monotonic() + seconds > self._deadline:
            await asyncio.sleep(max(0.0, self._deadline - time.monotonic()))
            raise ModelTimeout("The simulated model did not answer in time.")
        await asyncio.sleep(seconds)


def _raise_scripted(failure: str) -> int | None:
    """Raise what a failure entry means; for `cut:n` return n, the pieces before the cut."""
    kind, _, detail = failure.partition(":")
    if not kind:
        return None
    if kind == "cut":
        return int(detail) if detail.isdigit() else 1
    raise scripted_error(kind, detail)


def scripted_error(kind: str, detail: str) -> NodeFailure:
    """Return the error of a scripted failure: a status, or a broken answer by its name."""
    if kind.isdigit():
        headers = {"retry-after": detail} if detail else {}
        return error_for(int(kind), headers, json.dumps({"error": {"message": f"scripted failure {kind}"}}))
    return ModelUnavailable(f"The simulated provider answered with nonsense ({kind[:20]}).")


def _first_asking(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the conversation up to the first answer, so that a re-ask is read as the question it repeats."""
    found: list[Message] = []
    for message in messages:
        if message.role == "assistant" and found and found[-1].role == "user":
            break
        found.append(message)
    return tuple(found)


def _summary(brief: Brief) -> str:
    count = brief.count or max(2, min(6, round(len(sentences(brief.document)) * 0.3)))
    chosen = best_sentences(brief.document, count)
    if brief.max_words:
        while len(chosen) > 1 and len(words_of(" ".join(chosen))) > brief.max_words:
            chosen.pop()
        if len(words_of(chosen[0])) > brief.max_words and not is_chinese(brief.document):
            chosen = [" ".join(chosen[0].split()[: brief.max_words]) + "…"]
    return joined(chosen) or brief.document.strip()


def _score(brief: Brief) -> str:
    return f"{quality(brief.document):g}\n\nMeasured: {measured(brief.document)}"


def _rewrite(brief: Brief) -> str:
    """Keep the sentences that say most, without repeats, in paragraphs of three."""
    count = max(3, round(len(sentences(brief.document)) * 0.7))
    chosen = [one for one in best_sentences(brief.document, brief.count or count) if is_sentence(one)]
    return (
        "\n\n".join(joined(chosen[start : start + 3]) for start in range(0, len(chosen), 3)) or brief.document
    )


def _outline(brief: Brief) -> str:
    return "\n".join(f"- {one}" for one in best_sentences(brief.document, brief.count or 5)) or brief.document


def _keywords(brief: Brief) -> str:
    return ", ".join(keywords(brief.document, brief.count or 8))


def _compose(brief: Brief) -> str:
    """Write a short Markdown brief: what it says, its points, its figures."""
    document = brief.document
    in_short = best_sentences(document, 2)
    points = [one for one in best_sentences(document, (brief.count or 6) + 2) if one not in in_short]
    figures = [
        one.text
        for one in sentences(document)
        if any(c.isdigit() for c in one.text)
        and is_sentence(one.text)
        and one.text not in (*in_short, *points)
    ]
    labels = ("概要", "要点", "数据", "结论") if is_chinese(document) else BRIEF_LABELS
    parts = [f"# {title_of(document)}", f"**{labels[0]}.** {joined(in_short)}"]
    for label, lines in ((labels[1], points), (labels[2], figures[:3])):
        if lines:
            parts.append(f"## {label}\n\n" + "\n".join(f"- {line}" for line in lines))
    if re.search(r"conclu|结论", brief.instruction, re.IGNORECASE):
        parts.append(f"## {labels[3]}\n\n{_conclusion(document)}")
    return "\n\n".join(parts)


def _conclusion(document: str) -> str:
    """Return the best sentence of the last quarter: texts tend to conclude at their end."""
    last = [one.text for one in sentences(document)]
    return joined(best_sentences(" ".join(last[len(last) * 3 // 4 :]), 1))


def _reply(brief: Brief) -> str:
    asked = brief.instruction or brief.document
    if is_chinese(asked):
        return f"这是模拟模型：它只会摘录和统计给它的文本，不会思考。收到的内容：{asked[:200]}"
    return (
        "This is the simulated model: it extracts and counts what is in a text, it does not think. "
        f"Give it a document to summarise, score or outline. It was asked: {asked[:300]}"
    )


_WRITERS: dict[str, Callable[[Brief], str]] = {
    "summary": _summary,
    "score": _score,
    "rewrite": _rewrite,
    "compose": _compose,
    "outline": _outline,
    "keywords": _keywords,
    "title": lambda brief: title_of(brief.document),
    "reply": _reply,
}
