"""Parents and children find each other: on the run pages, on the node, over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.runs.actions import start_run
from apps.runs.models import NodeRun, Run

CALLS: dict[str, Any] = {
    "orchestra": 1,
    "nodes": {"call": {"kind": "workflow", "settings": {"workflow": "child"}}},
}
SHAPE: dict[str, Any] = {"orchestra": 1, "nodes": {"a": {"kind": "transform", "settings": {"value": 1}}}}


@pytest.fixture
def family(publish_workflow: Any, editor: User) -> tuple[Run, Run]:
    parent = start_run(workflow=publish_workflow(CALLS, name="Parent"), input={}, by=editor)
    child = start_run(workflow=publish_workflow(SHAPE, name="Child"), input={}, by=editor)
    Run.objects.filter(pk=child.pk).update(parent=parent, parent_path="call", is_part=True, is_awaited=True)
    Run.objects.filter(pk=parent.pk).update(status="waiting")
    NodeRun.objects.filter(run=parent).update(status="waiting", waiting_for="child", items_total=1)
    return parent, child


def test_the_pages_of_both_lead_to_each_other(client: Client, editor: User, family: tuple[Run, Run]) -> None:
    parent, child = family
    client.force_login(editor)

    of_parent = client.get(f"/runs/{parent.pk}/").content.decode()
    of_child = client.get(f"/runs/{child.pk}/").content.decode()
    of_node = client.get(f"/runs/{parent.pk}/nodes/call/").content.decode()

    assert f'data-child-run="{child.pk}"' in of_parent
    assert f'href="/runs/{parent.pk}/nodes/call/"' in of_child
    assert f'href="/runs/{child.pk}/"' in of_node
    assert "end of its child run" in of_node


def test_the_api_says_who_belongs_to_whom(editor: User, family: tuple[Run, Run]) -> None:
    parent, child = family
    api = APIClient()
    api.force_login(editor)

    (found,) = api.get(f"/api/v1/runs?parent={parent.pk}").json()["results"]

    assert (found["id"], found["parent"], found["parent_node"]) == (str(child.pk), str(parent.pk), "call")
    assert api.get(f"/api/v1/runs/{parent.pk}").json()["parent"] is None
    assert api.get("/api/v1/runs?parent=x").status_code == 400
