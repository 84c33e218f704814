"""Reading pages in tests: tags, attributes, and the text that people see."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

SILENT = {"script", "style", "code", "pre", "template", "title", "noscript"}
SPOKEN = ("aria-label", "placeholder", "alt", "title", "data-confirm", "data-done")


@dataclass
class Tag:
    """One start tag with its attributes."""

    name: str
    attributes: dict[str, str | None] = field(default_factory=dict)


class Page(HTMLParser):
    """What is in a page: its tags in order, and its texts with where they stand."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.texts: list[str] = []
        self._silent: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(Tag(tag, dict(attrs)))
        is_foreign = tag != "html" and dict(attrs).get("lang")
        if (
            tag in SILENT
            or is_foreign
            or "mono" in (dict(attrs).get("class") or "").split()
            or (self._silent and tag == self._silent[-1])
        ):
            self._silent.append(tag)
        if not self._silent:
            self.texts += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag == self._silent[-1]:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._silent:
            self.texts.append(data.strip())

    def find(self, name: str, /, **attributes: str) -> list[Tag]:
        """Return the tags of this name that carry all these attributes."""
        wanted = {key.strip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [tag for tag in self.tags if tag.name == name and wanted.items() <= tag.attributes.items()]
