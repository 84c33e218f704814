"""Results to read: what models write is shown as text and structure, and can do nothing."""

from __future__ import annotations

import re

import pytest

from apps.runs.hints import HINTS, translated
from apps.runs.result import SHOWN_CHARACTERS, as_json, blocks, raw_blocks, render_markdown
from orchestra import errors

NASTY = [
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "<svg onload=alert(1)>",
    "[data](data:text/html;base64,PHNjcmlwdD4=)",
    "![pixel](https://tracker.example/p.gif)",
    '<a href="x" onclick="alert(1)">x</a>',
    "<!-- comment --><iframe src=//x></iframe>",
    '<p style="position:fixed">x</p>',
    "[x](vbscript:msgbox)",
    "`<img src=x onerror=alert(1)>`",
]


@pytest.mark.parametrize("text", NASTY)
def test_text_of_a_model_is_inert(text: str) -> None:
    html = render_markdown(text)

    tags = re.findall(r"<[^>]*>", html)
    assert not [
        tag
        for tag in tags
        if re.search(r"script|svg|iframe|img|style|on\w+=|javascript:|data:|vbscript:", tag)
    ]


def test_markdown_keeps_its_structure_and_safe_links() -> None:
    html = render_markdown("# Title\n\n- one\n- **two** [site](https://example.org)\n\n| a |\n|---|\n| 1 |")

    assert "<h1>Title</h1>" in html
    assert "<strong>two</strong>" in html
    assert '<a href="https://example.org" rel="noopener noreferrer nofollow">site</a>' in html
    assert "<td>1</td>" in html


def test_an_object_becomes_named_blocks_each_in_its_form() -> None:
    found = blocks(
        {
            "brief": "# A\n\nlong",
            "score": 8.5,
            "parts": ["a", "b"],
            "data": {"x": 1},
            "none": [],
            "word": "ok",
        }
    )

    forms = {
        "brief": "text",
        "score": "value",
        "parts": "list",
        "data": "json",
        "none": "value",
        "word": "value",
    }
    assert {block.name: block.form for block in found} == forms


def test_nothing_has_no_blocks_and_a_bare_value_has_one() -> None:
    assert blocks(None) == []
    assert [block.form for block in blocks(7)] == ["value"]


def test_a_value_that_is_too_long_for_a_page_is_cut_and_says_so() -> None:
    [text] = blocks({"text": "word " * SHOWN_CHARACTERS})
    [raw] = raw_blocks({"text": "word " * SHOWN_CHARACTERS})

    assert text.is_cut
    assert raw.is_cut
    assert len(raw.value) == SHOWN_CHARACTERS
    assert as_json("x" * SHOWN_CHARACTERS)[1]


def test_what_went_in_is_shown_letter_by_letter() -> None:
    [prompt, options] = raw_blocks({"prompt": "a *b*\n<c>", "options": {"n": 1}})

    assert prompt.value == "a *b*\n<c>"
    assert options.value == '{\n  "n": 1\n}'


def failures(base: type[errors.NodeFailure], home: str) -> set[str]:
    return {base.hint}.union(
        *(failures(found, home) for found in base.__subclasses__() if found.__module__.startswith(home))
    )


def test_every_hint_of_the_core_can_be_translated() -> None:
    assert (
        failures(errors.NodeFailure, errors.__name__) <= HINTS <= failures(errors.NodeFailure, "orchestra.")
    )


def test_a_hint_that_is_not_ours_stays_as_it_is() -> None:
    assert translated("Ask the author.") == "Ask the author."
