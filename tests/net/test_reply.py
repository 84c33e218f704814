"""Small rules of reading answers: pauses that are asked for, text that can be stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.net import clean_json, clean_text, retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    noon = 1795262400.0

    assert retry_after({"retry-after": header}, now=noon) == seconds


def test_retry_after_may_be_missing() -> None:
    assert retry_after({}) is None


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_stored_once_clean(text: str) -> None:
    cleaned = clean_text(text)

    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean_text(cleaned) == cleaned


def test_surrogate_pairs_become_their_character() -> None:
    assert clean_text("\ud83d\ude00") == "😀"


def test_json_is_cleaned_to_its_leaves_and_keys() -> None:
    assert clean_json({"a\x00": ["b\x00", {"c": "\ud800"}], "n": 1}) == {"a": ["b", {"c": "\ufffd"}], "n": 1}
