"""Fixtures that every part of the suite shares: people, teams and workflows to work with."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import Membership, Role, Team, User
from apps.workflows.actions import create_workflow, publish
from apps.workflows.models import Workflow
from tests.running import running_worker, wait_until_idle


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(name="Writers", slug="writers")


@pytest.fixture
def make_user(db: None) -> Any:
    """Return a factory of members: `make_user("ada", team, Role.EDITOR)`."""

    def make(username: str, team: Team | None = None, role: Role = Role.EDITOR, **fields: Any) -> User:
        user = User.objects.create_user(username, f"{username}@example.org", "correct horse", **fields)
        if team is not None:
            Membership.objects.create(user=user, team=team, role=role)
        return user

    return make


@pytest.fixture
def editor(make_user: Any, team: Team) -> User:
    return make_user("ada", team, Role.EDITOR)


@pytest.fixture
def viewer(make_user: Any, team: Team) -> User:
    return make_user("vera", team, Role.VIEWER)


@pytest.fixture
def publish_workflow(team: Team, editor: User) -> Any:
    """Return a function that makes and publishes a workflow from YAML or a definition."""

    def publish_it(definition: Any, *, name: str = "Sample", into: Team | None = None) -> Workflow:
        source = {"text": definition} if isinstance(definition, str) else {"definition": definition}
        workflow = create_workflow(team=into or team, name=name, by=editor, **source)
        publish(workflow=workflow, by=editor)
        workflow.refresh_from_db()
        return workflow

    return publish_it


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Any:
    """Make the test database; before it is dropped, end what threads of the product still hold open."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(scope="session")
def _session_worker(django_db_setup: None, django_db_blocker: Any) -> Any:
    """One worker for the whole session: stopping one takes Celery seconds."""
    with django_db_blocker.unblock(), running_worker() as started:
        yield started


@pytest.fixture
def worker(transactional_db: None, _session_worker: Any) -> Any:
    """Have one worker process's worth of the product running, on whatever broker the suite runs on."""
    yield _session_worker
    wait_until_idle(_session_worker)
