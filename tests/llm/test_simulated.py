"""The simulated model: it works on the text it is given, repeats itself exactly, and fails when told to."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestra.errors import BadCredentials, ModelTimeout, ModelUnavailable, RateLimited
from orchestra.llm.client import Finish, Message, ModelRequest, TextDelta
from orchestra.llm.extract import best_sentences, keywords, quality, sentences, title_of
from orchestra.llm.script import Script, script_from, take_directives
from orchestra.llm.simulated import SimulatedClient, compose_answer
from orchestra.llm.tokens import count_tokens, pieces

DOCUMENT = """# River crossings

The town has three bridges over the river. Each bridge carries trains, buses and bicycles every day.
The oldest bridge was built in 1887 by Dr. Weber and carries 4,000 people a day. It is narrow.

- The newest bridge opened in 2019.
- The middle bridge is closed for repairs until spring.

```python
print("this is code and no sentence of the text")
```

Which bridge should be repaired first? The council will decide about the bridges and the river wall in May.
The weather was nice. A bridge that is closed costs the town about 12,000 euros a week in detours.
"""
CHINESE = "工作流是由节点组成的。每个节点可以调用一个模型。失败的节点会自动重试三次。用户可以实时查看进度。"


@pytest.fixture
def say(asking: Any, collect: Any) -> Any:
    """Ask at once and return the text."""

    async def ask(prompt: str, **fields: Any) -> str:
        chunks = await collect(SimulatedClient(Script(latency=0, tps=0)), asking(prompt, **fields))
        return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))

    return ask


def test_sentences_leave_out_headings_code_and_abbreviations() -> None:
    found = [one.text for one in sentences(DOCUMENT)]

    assert "The oldest bridge was built in 1887 by Dr. Weber and carries 4,000 people a day." in found
    assert "The newest bridge opened in 2019." in found
    assert not any("River crossings" in text or "print" in text for text in found)


def test_the_best_sentences_are_the_documents_own_and_in_its_order() -> None:
    everything = [one.text for one in sentences(DOCUMENT)]

    chosen = best_sentences(DOCUMENT, 3)

    assert len(chosen) == 3
    assert sorted(chosen, key=everything.index) == chosen
    assert "The weather was nice." not in chosen


def test_a_repeated_sentence_is_chosen_once() -> None:
    text = "The bridge is old and very narrow. " * 5 + "The river is wide and deep in spring."

    assert len(best_sentences(text, 3)) == 2


def test_keywords_and_titles_come_from_the_text() -> None:
    assert keywords(DOCUMENT, 2)[0] == "bridge"
    assert title_of(DOCUMENT) == "River crossings"
    assert title_of("") == "Untitled"


def test_quality_prefers_substance() -> None:
    assert quality("") == 0.0
    assert 0 < quality("Bridge good.") < 6 < quality(DOCUMENT) <= 10


async def test_a_summary_quotes_the_document_and_not_the_instruction(say: Any) -> None:
    text = await say(f"Summarise this part of a document in two sentences:\n\n{DOCUMENT}")

    assert text.count(".") >= 2
    assert all(sentence in DOCUMENT.replace("\n", " ") for sentence in text.split(". ")[:1])
    assert "Summarise" not in text
    assert len(text) < len(DOCUMENT) / 2


@pytest.mark.parametrize(
    "prompt",
    [
        "Summarise in one sentence:\n{}",
        "Summarise in one sentence: {}",
        "Summarise in one sentence.\n\n<document>{}</document>",
        "{}\n\nSummarise the above in one sentence.",
        '"""{}""" Summarise in one sentence.',
    ],
)
async def test_the_document_is_found_wherever_it_stands(say: Any, prompt: str) -> None:
    document = "The bridge over the river is old and narrow. The weather was nice. Nobody came."

    assert await say(prompt.format(document)) == "The bridge over the river is old and narrow."


async def test_words_are_limited_when_asked(say: Any) -> None:
    text = await say(f"Summarise in at most 12 words:\n\n{DOCUMENT}")

    assert len(text.split()) <= 13


async def test_a_score_is_a_number_first(say: Any) -> None:
    text = await say(f"Score this text from 0 to 10:\n\n{DOCUMENT}")

    assert 0 <= float(text.split()[0]) <= 10


async def test_a_better_text_scores_higher(say: Any) -> None:
    weak = float((await say("Score this text 0-10:\n\nBridge good. Bridge good.")).split()[0])
    strong = float((await say(f"Score this text 0-10:\n\n{DOCUMENT}")).split()[0])

    assert weak < strong


async def test_a_brief_is_well_formed_markdown_of_the_given_parts(say: Any) -> None:
    text = await say(
        f'Write a brief from these summaries:\n\n["{best_sentences(DOCUMENT, 1)[0]}", "The end came in May."]'
    )

    assert text.startswith("# ")
    assert "**In short.**" in text
    assert "The end came in May." in text
    assert '["' not in text


async def test_a_brief_concludes_when_asked(say: Any) -> None:
    plain = await say(f"Compose a brief:\n\n{DOCUMENT}")
    concluding = await say(f"Compose a brief with a conclusion:\n\n{DOCUMENT}")

    assert "## Conclusion" not in plain
    assert concluding.rpartition("## Conclusion\n\n")[2] in DOCUMENT.replace("\n", " ")


async def test_a_rewrite_is_running_text_of_the_documents_sentences(say: Any) -> None:
    text = await say(f"Rewrite this so that it is clearer:\n\n{DOCUMENT}")

    assert "#" not in text
    assert len(text.split("\n\n")) >= 2
    assert "The town has three bridges over the river." in text


async def test_title_lines_stay_lines_and_out_of_summaries(say: Any) -> None:
    titles = "THE PAPER No. 10\n\nTo the People of the State:"
    body = "The bridge over the river is old. It carries many trains every day."

    assert await say(f"Summarise this part:\n\n{titles}") == "THE PAPER No. 10\nTo the People of the State:"
    assert (
        await say(f"Summarise in one sentence:\n\n{titles}\n\n{body}") == "The bridge over the river is old."
    )
    assert title_of(f"{titles}\n\n{body}") == "THE PAPER No. 10"


async def test_an_outline_and_keywords_have_the_count_that_was_asked(say: Any) -> None:
    outline = await say(f"List three key points:\n\n{DOCUMENT}")
    words = await say(f"Give 4 keywords:\n\n{DOCUMENT}")

    assert [line[:2] for line in outline.splitlines()] == ["- ", "- ", "- "]
    assert len(words.split(", ")) == 4


async def test_chinese_is_summarised_in_chinese(say: Any) -> None:
    text = await say(f"请用一句话总结以下内容：\n\n{CHINESE}")

    assert text
    assert all(sentence in CHINESE for sentence in text.split("。"))
    assert len(text) < len(CHINESE)


async def test_small_talk_is_answered_honestly(say: Any) -> None:
    assert "simulated model" in await say("Hello, who are you?")
    assert "模拟模型" in await say("你好，你是谁？")


async def test_a_follow_up_works_on_the_conversation(say: Any) -> None:
    messages = (
        Message("user", DOCUMENT),
        Message("assistant", "Noted."),
        Message("user", "Summarise that in one sentence."),
    )

    text = await say("", messages=messages)

    assert text in DOCUMENT.replace("\n", " ")


@pytest.mark.parametrize(
    "prompt", ["", " ", "\n\n", "[", "{}", "[[simulate]]", "```", "." * 5000, "\x00", "\ud800"]
)
async def test_any_prompt_gets_an_answer(say: Any, prompt: str) -> None:
    assert isinstance(await say(prompt), str)


async def test_equal_questions_get_equal_answers(say: Any) -> None:
    prompt = f"Write a brief:\n\n{DOCUMENT}"

    assert await say(prompt) == await say(prompt)


async def test_tokens_are_counted_and_pieces_join_to_the_text(asking: Any, collect: Any) -> None:
    chunks = await collect(SimulatedClient(Script(latency=0, tps=0)), asking(f"Summarise:\n\n{DOCUMENT}"))
    text = "".join(chunk.text for chunk in chunks[:-1])

    assert chunks[-1] == Finish(
        "stop", count_tokens(f"Summarise:\n\n{DOCUMENT}"), count_tokens(text), "simulated-1"
    )
    assert "".join(pieces(DOCUMENT + CHINESE)) == DOCUMENT + CHINESE


async def test_it_streams_at_the_scripted_speed(asking: Any) -> None:
    client = SimulatedClient(Script(latency=0.1, tps=400))
    started = time.monotonic()
    arrivals = [time.monotonic() - started async for _ in client.stream(asking(f"Summarise:\n\n{DOCUMENT}"))]

    assert 0.1 <= arrivals[0] < 0.5
    assert len(arrivals) >= 3
    assert arrivals == sorted(arrivals)


async def test_a_directive_changes_the_speed_and_is_not_read_as_text(say: Any) -> None:
    started = time.monotonic()

    text = await say("Say hello [[simulate latency=0.2 tps=0]]")

    assert time.monotonic() - started >= 0.2
    assert "[[" not in text


async def test_attempts_fail_as_scripted_and_then_succeed(asking: Any, collect: Any) -> None:
    client = SimulatedClient(Script(latency=0, tps=0, fail=("429:3", "500", "ok", "401")))

    with pytest.raises(RateLimited) as limited:
        await collect(client, asking(attempt=1))
    with pytest.raises(ModelUnavailable):
        await collect(client, asking(attempt=2))
    assert await collect(client, asking(attempt=3))
    with pytest.raises(BadCredentials):
        await collect(client, asking(attempt=4))
    assert await collect(client, asking(attempt=5))
    assert limited.value.retry_after == 3.0


async def test_a_cut_comes_after_some_text(asking: Any) -> None:
    client = SimulatedClient(Script(latency=0, tps=0, fail=("cut:1",)))
    stream = client.stream(asking(f"Outline:\n\n{DOCUMENT}"))
    first = await anext(stream)

    with pytest.raises(ModelUnavailable, match="cut"):
        await anext(stream)
    assert isinstance(first, TextDelta)


@pytest.mark.parametrize(
    "script", [Script(latency=0, fail=("silence",)), Script(latency=9), Script(latency=0, tps=0.5)]
)
async def test_no_answer_outlasts_the_time_limit(script: Script, asking: Any, collect: Any) -> None:
    started = time.monotonic()

    with pytest.raises(ModelTimeout):
        await collect(SimulatedClient(script), asking(f"Summarise:\n\n{DOCUMENT}", timeout=0.2))

    assert time.monotonic() - started < 2


def test_directives_apply_to_their_model_only() -> None:
    messages = (Message("user", "Hi [[simulate fail=500 model=simulated-2]]"),)

    _, first = take_directives(messages, "simulated-1", Script())
    cleaned, second = take_directives(messages, "simulated-2", Script())

    assert first.fail == ()
    assert second.fail == ("500",)
    assert cleaned[0].content == "Hi"


def test_scripted_answers_follow_the_rounds() -> None:
    messages = (Message("system", "[[answer one]]"), Message("user", 'Ask\n[[answer {"a": [[2]]}]]'))

    _, script = take_directives(messages, "simulated-1", Script())

    assert [script.answer(number) for number in range(3)] == ["one", '{"a": [[2]]}', '{"a": [[2]]}']


def test_options_that_cannot_be_read_keep_their_default() -> None:
    assert script_from({"latency": "soon", "tps": None, "other": 1}) == Script(tps=0.0)
    assert script_from({"latency": -1, "fail": ["429", " cut:2 "]}) == Script(
        latency=0.0, fail=("429", "cut:2")
    )
    assert script_from({"latency": "1e9"}).latency == 600.0


@pytest.mark.parametrize(
    "piece",
    [
        " ",
        "[",
        "[[",
        "[[answer x]] y ",
        "```\n",
        "<document>",
        "**a",
        "a. ",
        "字",
        "\n",
        '"""x',
        ".\"'",
        "1 a ",
        "1. ",
        "→",
        "[a](",
        "# ",
    ],
)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    messages = (Message("user", f"Write a brief:\n\n[[{text}"),)
    started = time.monotonic()

    cleaned, script = take_directives(messages, "simulated-1", Script())
    compose_answer(ModelRequest("simulated-1", cleaned), cleaned, script)

    assert time.monotonic() - started < 8
