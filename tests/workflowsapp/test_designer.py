"""The designer's page: what it gives the island, in which words, and the draft's text both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import Role, Team, User
from apps.workflows import actions, designer_words, kind_words
from apps.workflows.kind_cards import OPTIONS, fixed_ports
from apps.workflows.models import Workflow
from orchestra.engine.nodes import KINDS, Kind
from orchestra.engine.plugins import package_of
from orchestra.engine.schema import NODE

SOURCES = Path(settings.BASE_DIR) / "frontend" / "designer" / "src"
SAID = re.compile(r"(?<![\w.])t\(\s*'((?:[^'\\]|\\.)*)'")
ISLAND = re.compile(r'<script id="designer-data" type="application/json">(.*?)</script>', re.DOTALL)


@pytest.fixture
def workflow(team: Team, editor: User, definition: dict[str, Any]) -> Workflow:
    return actions.create_workflow(team=team, name="Double", definition=definition, by=editor)


@pytest.fixture
def browser(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


def test_the_page_gives_the_draft_its_tag_and_every_kind(browser: Client, workflow: Workflow):
    found = ISLAND.search(browser.get("/workflows/double/design/").content.decode())

    assert found
    island = json.loads(found[1])
    assert island["draft"]["definition"] == workflow.draft
    assert island["draft"]["etag"] == browser.get(island["urls"]["draft"]).headers["ETag"]
    assert {card["name"] for card in island["kinds"]} == set(KINDS)
    assert island["options"].keys() == set(OPTIONS)


def test_a_viewer_may_not_design(client: Client, make_user: Any, team: Team, workflow: Workflow):
    client.force_login(make_user("vera", team, Role.VIEWER))

    assert client.get("/workflows/double/design/").status_code == 403
    answer = client.post("/workflows/double/design/text/", "{}", content_type="application/json")
    assert answer.status_code == 403


def test_a_definition_becomes_yaml_and_comes_back(
    browser: Client, workflow: Workflow, definition: dict[str, Any]
):
    def ask(body: dict[str, Any]) -> Any:
        return browser.post("/workflows/double/design/text/", body, content_type="application/json").json()

    text = ask({"definition": definition})["text"]

    assert ask({"text": text}) == {"definition": definition, "problems": []}
    broken = ask({"text": "nodes: [\n"})
    assert (broken["definition"], broken["problems"][0]["line"]) == (None, 2)


@pytest.mark.parametrize(("source", "page", "nodes"), [("empty", "design", 0), ("blank", "design", 1)])
def test_a_new_workflow_opens_on_the_canvas(
    browser: Client, workflow: Workflow, source: str, page: str, nodes: int
):
    answer = browser.post("/workflows/new/", {"name": "Fresh", "source": source})

    assert answer.headers["Location"] == f"/workflows/fresh/{page}/"
    assert len(Workflow.objects.get(slug="fresh").draft["nodes"]) == nodes


def test_the_ports_of_a_kind_are_known_without_its_settings():
    assert fixed_ports(KINDS["approval"]) == ("approved", "rejected", "expired")
    assert fixed_ports(KINDS["wait"]) == ("done", "expired")
    assert fixed_ports(KINDS["branch"]) == ()


def test_every_text_of_the_island_is_in_the_catalogue():
    said = {
        text.replace("\\'", "'")
        for path in SOURCES.iterdir()
        for text in SAID.findall(path.read_text(encoding="utf-8"))
    }

    assert len(said) > 100
    assert said ^ designer_words.WORDS == set()


def test_every_title_of_a_kind_is_in_the_catalogue():
    own = [kind for kind in KINDS.values() if not package_of(kind.name)]

    said = {text for kind in own for text in texts_of(kind)}
    said |= {text for name in OPTIONS for text in spoken_in(NODE["properties"][name])}

    assert len(said) > 50
    assert said - kind_words.WORDS == set(), "Add them to apps/workflows/kind_words.py."


def texts_of(kind: Kind) -> set[str]:
    return {kind.description} | spoken_in(kind.schema)


def spoken_in(schema: Any) -> set[str]:
    """Return every title and description in a JSON Schema."""
    if isinstance(schema, list):
        return set().union(*map(spoken_in, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema[key] for key in ("title", "description") if isinstance(schema.get(key), str)}
    return own.union(*(spoken_in(value) for value in schema.values()))
