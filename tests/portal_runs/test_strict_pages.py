"""Every page and fragment here: both languages, no inline script or style, nothing from other hosts."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.runs.models import Run
from tests.portal_runs.markup import elements

pytestmark = pytest.mark.django_db
PAGES = [
    "/workflows/",
    "/workflows/?q=none",
    "/workflows/?archived=1",
    "/workflows/new/",
    "/workflows/review/",
    "/workflows/review/edit/",
    "/workflows/review/versions/",
    "/workflows/review/versions/1/",
    "/workflows/review/diff/?from=1&to=draft",
    "/workflows/review/start/",
    "/runs/",
    "/runs/?status=failed",
    "/runs/{run}/",
    "/runs/{run}/ending/",
    "/runs/{run}/events/",
    "/runs/{run}/nodes/outline/",
    "/runs/{run}/nodes/views/",
    "/runs/{run}/nodes/views[0].draft/",
    "/runs/{run}/nodes/views[0]/",
    "/runs/{run}/nodes/views[].draft/",
]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("place", PAGES)
def test_a_page_keeps_to_the_strict_policy(
    browse: Any, editor: User, run: Run, open_items: Any, place: str, language: str
) -> None:
    open_items(["succeeded", "failed", "running"])

    answer = browse(editor, language).get(place.format(run=run.pk))

    html = answer.content.decode()
    assert answer.status_code == 200
    for tag, attributes in elements(html):
        assert "style" not in attributes, (tag, attributes)
        assert tag != "style"
        assert tag != "script" or attributes.get("src", "").startswith("/static/"), attributes
        assert not [name for name in attributes if name.startswith("on")], attributes
        addresses = [attributes.get(name, "") for name in ("href", "src", "action")]
        assert not [address for address in addresses if address.startswith(("http:", "https:", "//"))], (
            attributes
        )


@pytest.mark.parametrize("place", [page for page in PAGES if "{run}" not in page or page == "/runs/{run}/"])
def test_ids_are_unique_and_labels_lead_somewhere(browse: Any, editor: User, run: Run, place: str) -> None:
    html = browse(editor).get(place.format(run=run.pk)).content.decode()

    found = elements(html)
    ids = [attributes["id"] for _tag, attributes in found if attributes.get("id")]
    assert len(ids) == len(set(ids)), sorted(name for name in ids if ids.count(name) > 1)
    targets = [attributes["for"] for tag, attributes in found if tag == "label" and "for" in attributes]
    assert set(targets) <= set(ids)
