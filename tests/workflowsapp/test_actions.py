"""The writes to workflows, as pages and commands call them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Team, User
from apps.workflows import actions
from apps.workflows.models import Workflow
from orchestra.engine.codec import plan_from_json
from orchestra.errors import Conflict, InvalidInput, InvalidWorkflow, NotPermitted, StaleRevision

TEXT = """\
orchestra: 1
name: Typed   # as its author typed it
nodes:
  a: {kind: transform, settings: {value: 1}}
"""


@pytest.fixture
def workflow(team: Team, editor: User, definition: dict[str, Any]) -> Workflow:
    return actions.create_workflow(team=team, name="Double", definition=definition, by=editor)


def test_a_workflow_takes_its_name_from_its_definition(team: Team, editor: User):
    workflow = actions.create_workflow(team=team, text=TEXT, by=editor)

    assert (workflow.name, workflow.slug) == ("Typed", "typed")
    assert workflow.draft_text == TEXT
    assert workflow.draft["nodes"]["a"]["kind"] == "transform"


def test_without_any_name_there_is_no_workflow(team: Team, editor: User, definition: dict[str, Any]):
    nameless = {key: value for key, value in definition.items() if key != "name"}

    with pytest.raises(InvalidInput):
        actions.create_workflow(team=team, name="  ", definition=nameless, by=editor)


def test_a_page_may_keep_a_draft_with_problems_but_never_publish_it(
    workflow: Workflow, editor: User, broken: dict[str, Any]
):
    saved = actions.save_draft(workflow=workflow, definition=broken, allow_problems=True, by=editor)

    assert saved.problems[0]["path"] == "nodes.double.kind"
    with pytest.raises(InvalidWorkflow):
        actions.publish(workflow=saved, by=editor)
    assert not saved.versions.exists()


def test_text_that_cannot_be_read_is_kept_beside_the_last_definition(
    workflow: Workflow, editor: User, definition: dict[str, Any]
):
    saved = actions.save_draft(workflow=workflow, text="nodes: [", allow_problems=True, by=editor)

    assert saved.draft_text == "nodes: ["
    assert saved.draft == definition
    assert saved.problems
    with pytest.raises(InvalidWorkflow):
        actions.publish(workflow=saved, by=editor)


def test_a_good_draft_forgets_the_problems_of_the_one_before(
    workflow: Workflow, editor: User, definition: dict[str, Any]
):
    actions.save_draft(workflow=workflow, text="nodes: [", allow_problems=True, by=editor)

    saved = actions.save_draft(workflow=workflow, definition=definition, by=editor)

    assert (saved.problems, saved.draft_text) == ([], "")


def test_saving_over_somebody_elses_draft_is_refused(
    workflow: Workflow, editor: User, definition: dict[str, Any]
):
    seen = workflow.revision
    actions.save_draft(
        workflow=workflow, definition={**definition, "name": "First"}, revision=seen, by=editor
    )

    with pytest.raises(StaleRevision):
        actions.save_draft(
            workflow=workflow, definition={**definition, "name": "Second"}, revision=seen, by=editor
        )

    workflow.refresh_from_db()
    assert workflow.draft["name"] == "First"


def test_a_version_keeps_the_plan_that_its_definition_compiles_to(workflow: Workflow, editor: User):
    version = actions.publish(workflow=workflow, note="first", by=editor)

    plan = plan_from_json(version.plan)
    assert list(plan.nodes) == ["double"]
    assert plan.digest == version.digest
    assert actions.publish(workflow=workflow, by=editor).pk == version.pk


def test_a_workflow_that_was_never_published_is_published_when_it_must_be(workflow: Workflow, editor: User):
    first = actions.ensure_published(workflow=workflow, by=editor)
    second = actions.ensure_published(workflow=workflow, by=editor)

    assert first.number == 1
    assert second.pk == first.pk


def test_going_back_brings_the_text_back_as_it_was_typed(
    team: Team, editor: User, definition: dict[str, Any]
):
    workflow = actions.create_workflow(team=team, text=TEXT, by=editor)
    first = actions.publish(workflow=workflow, by=editor)
    actions.publish(workflow=workflow, definition=definition, by=editor)

    restored = actions.restore_version(version=first, by=editor)

    workflow.refresh_from_db()
    assert (restored.number, restored.text, workflow.draft_text) == (3, TEXT, TEXT)
    assert workflow.published == restored


def test_a_copy_has_the_draft_and_a_short_name_of_its_own(workflow: Workflow, editor: User):
    copy = actions.duplicate_workflow(workflow=workflow, by=editor)

    assert copy.slug == "double-2"
    assert copy.draft == workflow.draft
    assert copy.published is None


def test_what_is_archived_cannot_be_changed_until_it_is_back(workflow: Workflow, editor: User):
    actions.archive_workflow(workflow=workflow, by=editor)

    with pytest.raises(Conflict):
        actions.publish(workflow=workflow, by=editor)
    actions.unarchive_workflow(workflow=workflow, by=editor)
    assert actions.publish(workflow=workflow, by=editor).number == 1


def test_a_viewer_changes_nothing(workflow: Workflow, viewer: User, editor: User, team: Team):
    version = actions.publish(workflow=workflow, by=editor)
    writes: list[Any] = [
        lambda: actions.create_workflow(team=team, name="x", by=viewer),
        lambda: actions.save_draft(workflow=workflow, definition={}, by=viewer),
        lambda: actions.update_workflow(workflow=workflow, name="x", by=viewer),
        lambda: actions.publish(workflow=workflow, by=viewer),
        lambda: actions.restore_version(version=version, by=viewer),
        lambda: actions.duplicate_workflow(workflow=workflow, by=viewer),
        lambda: actions.archive_workflow(workflow=workflow, by=viewer),
        lambda: actions.unarchive_workflow(workflow=workflow, by=viewer),
    ]

    for write in writes:
        with pytest.raises(NotPermitted):
            write()


def test_two_workflows_of_one_name_that_are_made_at_once_get_two_short_names(
    team: Team, editor: User, definition: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    actions.create_workflow(team=team, name="Double", definition=definition, by=editor)
    answers = iter(["double", "double-2"])
    monkeypatch.setattr(actions, "free_slug", lambda *_: next(answers))

    second = actions.create_workflow(team=team, name="Double", definition=definition, by=editor)

    assert second.slug == "double-2"
