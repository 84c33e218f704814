"""Links between the documents lead somewhere, to a file and to a heading."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.tree import ROOT, files, text_of

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)


def test_every_link_between_documents_resolves() -> None:
    documents = [path for path in files() if path.suffix == ".md"]

    broken = [
        f"{document}: {link}"
        for document in documents
        for link in LINK.findall(FENCE.sub("", text_of(document)))
        if "://" not in link and not link.startswith("mailto:") and not resolves(document, link)
    ]

    assert len(documents) > 5
    assert broken == []


def resolves(document: Path, link: str) -> bool:
    """Say whether a relative link leads to a file and, where it names one, a heading."""
    name, _, anchor = link.partition("#")
    target = (document.parent / name) if name else document
    if not (ROOT / target).exists():
        return False
    return not anchor or anchor in anchors(text_of(target))


def anchors(text: str) -> set[str]:
    """Return the anchors that a Markdown viewer gives the headings."""
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
