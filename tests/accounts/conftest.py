"""Fixtures for tests of accounts: a fresh cache, callers of the API, keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from apps.accounts import actions
from apps.accounts.models import ApiKey, Role, Team, User

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _fresh_limits() -> Iterator[None]:
    """Start every test without failures counted before."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def api() -> APIClient:
    return APIClient(enforce_csrf_checks=True)


@pytest.fixture
def owner(make_user: Any, team: Team) -> User:
    return make_user("olga", team, Role.OWNER)


@pytest.fixture
def log_in(api: APIClient) -> Any:
    """Return a function that logs in over the API and signs every later call; it returns the answer's body."""

    def log_in(username: str, password: str = PASSWORD) -> Any:
        answer = api.post("/api/v1/auth/token", {"username": username, "password": password}, format="json")
        assert answer.status_code == 200, answer.content
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
        return answer.json()

    return log_in


@pytest.fixture
def make_key(team: Team) -> Any:
    """Return a factory of keys: `make_key(user, "read", "run")` gives (row, text)."""

    def make(user: User, *scopes: str, **fields: Any) -> tuple[ApiKey, str]:
        return actions.create_api_key(
            user=user, team=fields.pop("team", team), name="ci", scopes=scopes, **fields
        )

    return make
