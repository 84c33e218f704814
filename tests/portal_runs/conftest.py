"""A workflow with a map and a branch, runs of it in any state, and browsers in which people are logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from apps.accounts.models import Role, Team, User
from apps.runs.actions import start_run
from apps.runs.models import NodeRun, Run
from apps.workflows.models import Workflow
from orchestra.engine.plan import ITEM

TEXT = """\
orchestra: 1
name: Review
inputs:
  type: object
  required: [document]
  properties:
    document: {type: string, title: Document, format: textarea}
    depth: {type: integer, minimum: 1, default: 2}
nodes:
  outline:
    kind: llm
    title: Write an outline
    settings: {prompt: "Outline {{ inputs.document }}"}
  views:
    kind: map
    title: Look from all sides
    needs: [outline]
    settings:
      items: "{{ ['a', 'b', 'c'] }}"
      body:
        nodes:
          draft: {kind: llm, settings: {prompt: "For {{ item }}"}}
        output: "{{ nodes.draft.output.text }}"
  route:
    kind: branch
    needs: [views]
    settings:
      cases: [{name: good, when: "inputs.depth >= 1"}]
      else: weak
  rewrite: {kind: transform, needs: [route.weak], settings: {value: 1}}
output: {text: "{{ nodes.outline.output.text }}"}
"""


@pytest.fixture(autouse=True)
def _leave_no_language() -> Any:
    yield
    translation.deactivate_all()


@pytest.fixture
def browse() -> Any:
    """Return a function that gives a client in which a person is logged in."""

    def open_browser(user: User, language: str = "en") -> Client:
        client = Client(headers={"Accept-Language": language})
        client.force_login(user)
        return client

    return open_browser


@pytest.fixture
def workflow(publish_workflow: Any) -> Workflow:
    return publish_workflow(TEXT, name="Review")


@pytest.fixture
def operator(make_user: Any, team: Team) -> User:
    return make_user("otto", team, Role.OPERATOR)


@pytest.fixture
def stranger(make_user: Any) -> User:
    other = Team.objects.create(name="Others", slug="others")
    return make_user("sven", other, Role.OWNER)


@pytest.fixture
def run(workflow: Workflow, editor: User) -> Run:
    return start_run(workflow=workflow, input={"document": "A *fine* text"}, by=editor)


@pytest.fixture
def open_items(run: Run) -> Any:
    """Return a function that opens items of the map as the engine does: `open_items(["succeeded", "running"])`."""

    def insert(statuses: list[str], owner: str = "views") -> list[NodeRun]:
        began = timezone.now()
        Run.objects.filter(pk=run.pk).update(started_at=began, status="running")
        rows = []
        for index, status in enumerate(statuses):
            is_final = status in {"succeeded", "failed", "skipped", "cancelled"}
            shared = {
                "run": run,
                "scope": f"{owner}[{index}]",
                "owner": owner,
                "item_index": index,
                "status": status,
                "started_at": None if status == "pending" else began + timedelta(seconds=index),
                "finished_at": began + timedelta(seconds=index + 2) if is_final else None,
            }
            draft = {"path": f"{owner}[{index}].draft", "node": "draft", "kind": "llm", "queue": "llm"}
            item = {
                "path": f"{owner}[{index}]",
                "node": ITEM,
                "kind": "item",
                "queue": "control",
                "item": f"item {index}",
            }
            rows += [NodeRun(**shared, **draft, input_tokens=10, attempt=1), NodeRun(**shared, **item)]
        NodeRun.objects.filter(run=run, path=owner).update(
            status="waiting", waiting_for="items", items_total=len(statuses)
        )
        return NodeRun.objects.bulk_create(rows)

    return insert
