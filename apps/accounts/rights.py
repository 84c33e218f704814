"""Rights: the one place where an action asks whether a person may do what they ask for."""

from __future__ import annotations

import copy
from uuid import UUID

from apps.accounts.models import Role, User
from orchestra.errors import NotPermitted


def require(by: User, team_id: UUID, role: Role) -> None:
    """Let the caller go on when `by` has at least `role` in the team. Raises NotPermitted otherwise."""
    if is_operating(by) or by.can(role, team_id):
        return
    raise NotPermitted()


def as_operator(user: User) -> User:
    """Return a copy of a superuser that passes `require` for every team, for the admin's own actions only.

    Raises NotPermitted for anybody else: being staff opens the pages of the admin, not the teams.
    """
    if not (user.is_active and user.is_superuser):
        raise NotPermitted()
    operator = copy.copy(user)
    operator.__dict__["_is_operating"] = True
    return operator


def is_operating(user: User) -> bool:
    """Say whether this is a superuser at work in the admin, as `as_operator` returned it."""
    return bool(user.__dict__.get("_is_operating"))
