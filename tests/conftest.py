"""Fixtures that every part of the suite shares: people, teams and workflows to work with."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Membership, Role, Team, User


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
