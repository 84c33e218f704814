"""Pages of workflows: found, made, edited without losing anybody's text, published, compared, restored, archived."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models import User
from apps.runs.models import Run
from apps.workflows.actions import create_workflow, publish, save_draft
from apps.workflows.models import Workflow
from tests.portal_runs.conftest import TEXT

pytestmark = pytest.mark.django_db
BROKEN = TEXT.replace("needs: [outline]", "needs: [outlin]")


def test_the_list_shows_each_workflow_with_its_record(
    browse: Any, editor: User, workflow: Workflow, run: Run
) -> None:
    Run.objects.filter(pk=run.pk).update(status="succeeded")

    html = browse(editor).get("/workflows/").content.decode()

    assert "Review" in html
    assert "100 %" in html
    assert f"/runs/{run.pk}/" in html
    assert "/workflows/review/start/" in html


def test_search_and_tag_narrow_the_list(browse: Any, editor: User, workflow: Workflow) -> None:
    create_workflow(team=workflow.team, name="Translate letters", tags=["post"], by=editor)
    client = browse(editor)

    by_word = client.get("/workflows/?q=translate").content.decode()
    by_tag = client.get("/workflows/?tag=post").content.decode()
    none = client.get("/workflows/?q=nothing+like+it").content.decode()

    assert "Review" not in by_word
    assert "Translate letters" in by_word
    assert "Review" not in by_tag
    assert "Translate letters" in by_tag
    assert "Nothing found" in none


def test_the_list_asks_a_fixed_number_of_questions(
    browse: Any, editor: User, workflow: Workflow, django_assert_max_num_queries: Any
) -> None:
    for i in range(30):
        create_workflow(team=workflow.team, name=f"Number {i}", by=editor)
    client = browse(editor)
    client.get("/workflows/")

    with django_assert_max_num_queries(12):
        client.get("/workflows/")


def test_an_empty_team_is_told_how_to_begin(browse: Any, editor: User) -> None:
    html = browse(editor).get("/workflows/").content.decode()

    assert "No workflow yet" in html
    assert "/workflows/new/" in html


@pytest.mark.parametrize("place", ["", "edit/", "versions/", "versions/1/", "diff/?from=1", "start/"])
def test_pages_of_another_team_are_not_there(
    browse: Any, stranger: User, workflow: Workflow, place: str
) -> None:
    assert browse(stranger).get(f"/workflows/{workflow.slug}/{place}").status_code == 404


@pytest.mark.parametrize("place", ["/workflows/", "/workflows/review/", "/runs/"])
def test_strangers_are_sent_to_the_login(client: Any, workflow: Workflow, place: str) -> None:
    answer = client.get(place)

    assert answer.status_code == 302
    assert "login" in answer["Location"]


def test_a_viewer_reads_but_is_shown_no_button_that_would_fail(
    browse: Any, viewer: User, workflow: Workflow
) -> None:
    client = browse(viewer)

    html = client.get("/workflows/review/").content.decode()

    assert "/workflows/review/edit/" not in html
    assert "/workflows/review/start/" not in html
    assert client.get("/workflows/review/edit/").status_code == 403
    assert client.get("/workflows/review/start/").status_code == 403
    assert client.get("/workflows/new/").status_code == 403
    assert client.post("/workflows/review/archive/").status_code == 403
    assert client.post("/workflows/review/duplicate/").status_code == 403
    assert client.post("/workflows/review/about/", {"name": "Mine"}).status_code == 403


def test_the_page_of_a_workflow_shows_graph_inputs_and_plan(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    html = browse(editor).get("/workflows/review/").content.decode()

    assert 'data-node-path="views[].draft"' in html
    assert "<code>document</code>" in html
    assert "The canvas for Celery" in html
    assert "Version 1" in html


@pytest.mark.parametrize(
    ("data", "name", "page"),
    [
        ({"name": "Fresh", "source": "blank"}, "Fresh", "design"),
        ({"name": "", "source": "paste", "text": TEXT}, "Review", "edit"),
        ({"name": "Mine", "source": "paste", "text": BROKEN}, "Mine", "edit"),
        ({"name": "", "source": "brief"}, "Brief of a document", "design"),
    ],
)
def test_a_workflow_is_made_and_opens_on_the_canvas_or_as_the_text_it_was(
    browse: Any, editor: User, data: dict[str, str], name: str, page: str
) -> None:
    answer = browse(editor).post("/workflows/new/", data)

    made = Workflow.objects.get()
    assert made.name == name
    assert answer["Location"] == f"/workflows/{made.slug}/{page}/"


def test_a_workflow_is_made_from_a_file(browse: Any, editor: User) -> None:
    file = SimpleUploadedFile("review.yaml", TEXT.encode())

    browse(editor).post("/workflows/new/", {"source": "paste", "file": file})

    assert Workflow.objects.get().draft_text == TEXT


@pytest.mark.parametrize(
    "data",
    [
        {"source": "blank"},
        {"source": "paste", "text": "  "},
        {"source": "nope", "name": "x"},
        {"source": "paste", "text": "{{{"},
    ],
)
def test_a_form_that_does_not_say_enough_is_shown_again(
    browse: Any, editor: User, data: dict[str, str]
) -> None:
    answer = browse(editor).post("/workflows/new/", data)

    assert answer.status_code == 422
    assert not Workflow.objects.exists()


def test_a_draft_is_saved_with_its_problems_and_comments(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    text = "# mine\n" + BROKEN

    answer = browse(editor).post("/workflows/review/edit/", {"text": text, "revision": workflow.revision})

    workflow.refresh_from_db()
    assert answer.status_code == 302
    assert workflow.draft_text == text
    assert workflow.problems


def test_a_script_that_saves_gets_the_new_revision(browse: Any, editor: User, workflow: Workflow) -> None:
    answer = browse(editor).post(
        "/workflows/review/edit/",
        {"text": TEXT, "revision": workflow.revision},
        headers={"Accept": "application/json"},
    )

    assert answer.json() == {"revision": workflow.revision + 1}


def test_two_people_who_edit_at_once_see_both_texts_and_nothing_is_overwritten(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    theirs, mine = TEXT.replace("Review", "Theirs"), TEXT.replace("Review", "Mine")
    save_draft(workflow=workflow, text=theirs, by=editor)

    answer = browse(editor).post("/workflows/review/edit/", {"text": mine, "revision": workflow.revision})

    workflow.refresh_from_db()
    html = answer.content.decode()
    assert answer.status_code == 412
    assert workflow.draft_text == theirs
    assert "name: Theirs" in html
    assert "name: Mine" in html
    assert f'name="revision" value="{workflow.revision}"' in html


def test_the_check_marks_problems_at_their_lines_and_draws_the_graph(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    line = BROKEN.splitlines().index("    needs: [outlin]") + 1

    html = browse(editor).post("/workflows/review/check/", {"text": BROKEN}).content.decode()

    assert f'data-line="{line}"' in html
    assert "nodes.views.needs[0]" in html
    assert 'data-node-path="views[].draft"' in html
    assert "is-troubled" in html


def test_the_check_of_a_text_that_is_no_yaml_keeps_the_last_picture(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    html = browse(editor).post("/workflows/review/check/", {"text": "nodes: [\n  a: {"}).content.decode()

    assert "is-stale" in html
    assert 'data-node-path="outline"' in html
    assert 'data-problem-count="1"' in html


def test_the_check_saves_nothing(browse: Any, editor: User, workflow: Workflow) -> None:
    browse(editor).post("/workflows/review/check/", {"text": BROKEN})

    assert Workflow.objects.get().revision == workflow.revision


def test_publishing_freezes_the_text_with_its_note(browse: Any, editor: User, workflow: Workflow) -> None:
    text = TEXT.replace("Write an outline", "Sketch")

    browse(editor).post(
        "/workflows/review/edit/",
        {"text": text, "revision": workflow.revision, "publish": "1", "note": "Shorter"},
    )

    version = workflow.versions.first()
    assert (version.number, version.note, version.text) == (2, "Shorter", text)


def test_a_draft_with_problems_is_saved_but_not_published(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    answer = browse(editor).post(
        "/workflows/review/edit/", {"text": BROKEN, "revision": workflow.revision, "publish": "1"}
    )

    workflow.refresh_from_db()
    assert answer.status_code == 422
    assert workflow.versions.count() == 1
    assert workflow.draft_text == BROKEN
    assert f'name="revision" value="{workflow.revision}"' in answer.content.decode()


def test_versions_are_listed_compared_and_restored(browse: Any, editor: User, workflow: Workflow) -> None:
    save_draft(workflow=workflow, text=TEXT.replace("Write an outline", "Sketch"), by=editor)
    publish(workflow=workflow, note="Second", by=editor)
    client = browse(editor)

    listed = client.get("/workflows/review/versions/").content.decode()
    compared = client.get("/workflows/review/diff/?from=1&to=2").content.decode()
    client.post("/workflows/review/versions/1/restore/")

    workflow.refresh_from_db()
    assert "Second" in listed
    assert 'data-change="removed"' in compared
    assert "title: Sketch" in compared
    assert workflow.published.number == 3
    assert workflow.published.text == TEXT


@pytest.mark.parametrize("query", ["from=9", "from=x", "from=", "from=1&to=y"])
def test_a_comparison_with_what_is_not_there_is_not_found(
    browse: Any, editor: User, workflow: Workflow, query: str
) -> None:
    assert browse(editor).get(f"/workflows/review/diff/?{query}").status_code == 404


def test_a_copy_has_its_own_name_and_opens_in_the_editor(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    answer = browse(editor).post("/workflows/review/duplicate/")

    copy = Workflow.objects.exclude(pk=workflow.pk).get()
    assert copy.name == "Review (copy)"
    assert answer["Location"] == f"/workflows/{copy.slug}/edit/"


def test_an_archived_workflow_leaves_the_list_and_cannot_be_started(
    browse: Any, editor: User, workflow: Workflow
) -> None:
    client = browse(editor)

    client.post("/workflows/review/archive/")

    assert "/workflows/review/" not in client.get("/workflows/").content.decode()
    assert "/workflows/review/" in client.get("/workflows/?archived=1").content.decode()
    assert client.get("/workflows/review/start/")["Location"] == "/workflows/review/"


def test_name_description_and_tags_are_changed(browse: Any, editor: User, workflow: Workflow) -> None:
    browse(editor).post(
        "/workflows/review/about/", {"name": "New", "description": "What it does", "tags": "a, b"}
    )

    workflow.refresh_from_db()
    assert (workflow.name, workflow.description, workflow.tags) == ("New", "What it does", ["a", "b"])


def test_names_and_descriptions_are_text_everywhere(browse: Any, editor: User, workflow: Workflow) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    Workflow.objects.update(name=nasty, description=nasty, tags=[nasty])
    client = browse(editor)

    pages = [
        client.get(f"/workflows/{place}").content.decode()
        for place in ("", "review/", "review/edit/", "review/start/")
    ]

    assert not [page for page in pages if "<img src=x" in page]
