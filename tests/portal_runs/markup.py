"""Reads rendered pages: the attributes of their elements, and what a strict content policy would refuse."""

from __future__ import annotations

from html.parser import HTMLParser


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def elements(html: str) -> list[tuple[str, dict[str, str]]]:
    """Return (tag, attributes) of every element, in order."""
    parser = _Elements()
    parser.feed(html)
    return parser.found


def attributes_of(html: str, tag: str) -> list[dict[str, str]]:
    """Return the attributes of every element with this tag."""
    return [attributes for name, attributes in elements(html) if name == tag]
