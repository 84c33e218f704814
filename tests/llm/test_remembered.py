"""Which requests are the same, and answers that come back as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestra.llm.client import Finish, Message, ModelRequest, TextDelta, ToolCall, ToolSpec
from orchestra.llm.remembered import MAX_TEXT, answer_as_json, chunks_of, fingerprint

REQUEST = ModelRequest("m", (Message("user", "Hello"),), temperature=0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"messages": (Message("user", "Hello!"),)},
        {"temperature": 0.6},
        {"max_tokens": 3},
        {"schema": {"type": "object"}},
        {"tools": (ToolSpec("f", "", {}),)},
    ],
)
def test_another_question_is_another_request(change: Any) -> None:
    assert fingerprint("a", replace(REQUEST, **change)) != fingerprint("a", REQUEST)


def test_the_way_of_asking_does_not_matter_but_the_place_does() -> None:
    again = replace(REQUEST, timeout=9, idle=1, attempt=3, idempotency_key="x")

    assert fingerprint("a", again) == fingerprint("a", REQUEST)
    assert fingerprint("b", REQUEST) != fingerprint("a", REQUEST)


def test_an_answer_comes_back_without_tokens() -> None:
    finish = Finish("stop", 3, 4, "m", (ToolCall("a", "f", "{}"),))

    stored = answer_as_json(["He", "llo"], finish)

    assert stored is not None
    assert list(chunks_of(stored)) == [
        TextDelta("Hello"),
        Finish("stop", 0, 0, "m", (ToolCall("a", "f", "{}"),)),
    ]


def test_what_was_cut_or_is_too_long_is_not_kept() -> None:
    assert answer_as_json(["x"], Finish("length", 1, 1)) is None
    assert answer_as_json(["x" * (MAX_TEXT + 1)], Finish("stop", 1, 1)) is None
