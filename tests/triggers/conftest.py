"""A published workflow and triggers that start it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import Role, Team, User
from apps.runs.models import Run
from apps.triggers import actions
from apps.triggers.models import Trigger
from apps.workflows.models import Workflow
from orchestra.engine.status import RunStatus

DEFINITION: dict[str, Any] = {
    "orchestra": 1,
    "name": "Greeting",
    "inputs": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "title": "Your name"}},
    },
    "nodes": {"greet": {"kind": "transform", "settings": {"value": "Hello {{ inputs.name }}"}}},
    "output": {"text": "{{ nodes.greet.output }}"},
}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    cache.clear()


@pytest.fixture
def workflow(publish_workflow: Any) -> Workflow:
    return publish_workflow(DEFINITION, name="Greeting")


@pytest.fixture
def make_trigger(team: Team, editor: User, workflow: Workflow) -> Any:
    """Return a factory: `make_trigger("schedule", cron="0 * * * *", input={…})`; its secret is `trigger.shown`."""

    def make(kind: str, *, to: Workflow | None = None, input: Any = None, **settings: Any) -> Trigger:
        options = {key: settings.pop(key) for key in ("source", "is_enabled", "priority") if key in settings}
        trigger, secret = actions.create_trigger(
            team=team, workflow=to or workflow, name=f"My {kind}", kind=kind, settings=settings,
            input={"name": "x"} if input is None else input, by=editor, **options,
        )  # fmt: skip
        trigger.__dict__["shown"] = secret
        return trigger

    return make


@pytest.fixture
def end() -> Any:
    """Return what ends a run as the engine would: `end(run, "succeeded", at)`."""

    def finish(run: Run, status: str = RunStatus.SUCCEEDED, at: datetime | None = None, **fields: Any) -> Run:
        from django.utils import timezone

        Run.objects.filter(pk=run.pk).update(status=status, finished_at=at or timezone.now(), **fields)
        run.refresh_from_db()
        return run

    return finish


@pytest.fixture
def browse(client: Client, editor: User) -> Client:
    client.force_login(editor)
    return client


@pytest.fixture
def operator(make_user: Any, team: Team) -> User:
    return make_user("otto", team, Role.OPERATOR)
