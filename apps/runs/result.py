"""Turns what runs and nodes return into something to read: text as sanitised Markdown, figures, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

SHOWN_CHARACTERS = 40_000
"""How much of one value a page carries; the API has all of it."""
LONG_TEXT = 60
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
    "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")


def render_markdown(text: str) -> SafeString:
    """Return Markdown as HTML of text, structure and links to web pages or mail addresses only."""
    html = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308  (cleaned just above)


@dataclass(frozen=True, slots=True)
class Block:
    """One named value: `form` is text, value, list, json or code; `is_cut` says that not all of it is here."""

    name: str
    form: str
    value: Any
    is_cut: bool = False


def blocks(value: Any) -> list[Block]:
    """Return a value as blocks: the entries of an object, or the value alone without a name."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [_block(str(name), entry) for name, entry in value.items()]
    return [_block("", value)]


def raw_blocks(value: Any) -> list[Block]:
    """Return what went in as blocks that show it letter by letter: texts as they are, the rest as JSON."""
    if not isinstance(value, Mapping):
        return [_raw(value, "")] if value is not None else []
    return [_raw(entry, str(name)) for name, entry in value.items()]


def _raw(value: Any, name: str) -> Block:
    text, is_cut = (
        (value[:SHOWN_CHARACTERS], len(value) > SHOWN_CHARACTERS)
        if isinstance(value, str)
        else as_json(value)
    )
    return Block(name, "code", text, is_cut)


def _block(name: str, value: Any) -> Block:
    if isinstance(value, str):
        return _text_block(name, value)
    if value is None or isinstance(value, bool | int | float) or value in ([], {}):
        return Block(name, "value", as_json(value)[0])
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        entries = [render_markdown(entry[:4000]) for entry in value[:100]]
        return Block(name, "list", entries, len(value) > 100 or any(len(entry) > 4000 for entry in value))
    text, is_cut = as_json(value)
    return Block(name, "json", text, is_cut)


def _text_block(name: str, text: str) -> Block:
    if len(text) <= LONG_TEXT and "\n" not in text:
        return Block(name, "value", text)
    return Block(name, "text", render_markdown(text[:SHOWN_CHARACTERS]), len(text) > SHOWN_CHARACTERS)


def as_json(value: Any) -> tuple[str, bool]:
    """Return a value as indented JSON, and whether it was cut."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text[:SHOWN_CHARACTERS], len(text) > SHOWN_CHARACTERS
