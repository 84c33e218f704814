"""The search finds what a person may see, and nothing else."""

from __future__ import annotations

from typing import Any

from apps.accounts.models import Role, Team, User
from apps.agents.models import Agent
from apps.chat.actions import start_conversation
from apps.runs.actions import start_run
from tests.portal.markup import Page

DEFINITION = {
    "orchestra": 1,
    "nodes": {"one": {"kind": "transform", "settings": {"value": 1}}},
}


def found(browser: Any, query: str) -> set[tuple[str, str]]:
    page = Page(browser.get("/search/", {"q": query}, headers={"X-Part": "hits"}).content.decode())
    hits = page.find("a", _class="hit")
    return {(str(hit.attributes["data-hit-kind"]), str(hit.attributes["href"])) for hit in hits}


def test_everything_is_found_by_a_few_letters(
    browse: Any, editor: User, team: Team, agent: Agent, publish_workflow: Any
) -> None:
    workflow = publish_workflow(DEFINITION, name="Weekly letter")
    run = start_run(workflow=workflow, input={}, by=editor)
    talk = start_conversation(team=team, title="About letters", by=editor)
    browser = browse(editor)

    assert found(browser, "LETTER") == {
        ("workflow", f"/workflows/{workflow.slug}/"),
        ("run", f"/runs/{run.pk}/"),
        ("conversation", f"/chat/{talk.pk}/"),
    }
    assert ("run", f"/runs/{run.pk}/") in found(browser, "#1")
    assert found(browser, "weekly nonsense") == set()
    assert found(browser, "writ") == {("agent", "/chat/?with=agent:writer")}
    assert ("page", "/settings/keys/") in found(browser, "api")
    assert "Nothing fits" in browser.get("/search/?q=zzzz").content.decode()


def test_what_belongs_to_others_is_not_found(
    browse: Any, editor: User, team: Team, agent: Agent, publish_workflow: Any, make_user: Any
) -> None:
    start_run(workflow=publish_workflow(DEFINITION, name="Weekly letter"), input={}, by=editor)
    start_conversation(team=team, title="About letters", by=editor)
    other = Team.objects.create(name="Others", slug="others")
    stranger, colleague = make_user("sven", other, Role.OWNER), make_user("kim", team, Role.OWNER)

    assert found(browse(stranger), "letter") == set()
    assert {kind for kind, _url in found(browse(colleague), "letter")} == {"workflow", "run"}
    assert browse(None).get("/search/?q=letter").status_code == 302


def test_every_page_lists_the_keys_that_lead_to_places(browse: Any, editor: User) -> None:
    page = Page(browse(editor).get("/agents/").content.decode())

    keys = [tag.attributes["data-shortcut"] for tag in page.find("kbd") if "data-shortcut" in tag.attributes]
    assert keys == sorted(set(keys), key=keys.index)
    assert "g r" in keys
