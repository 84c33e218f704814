"""API keys: made, shown once, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.accounts.keys import new_key
from apps.accounts.models import ApiKey, Role, Team, User
from apps.accounts.rights import require
from apps.accounts.scopes import Scope, expand
from orchestra.errors import InvalidInput, NotPermitted, Problem


@transaction.atomic
def create_api_key(
    *,
    user: User,
    team: Team,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    made_with: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for a member and return it with its text, which is not stored and not shown again.

    A key made with another key (`made_with`) stays within that key's team, scopes and life. Raises
    NotPermitted outside the team, InvalidInput for unknown scopes and for an expiry that has passed.
    """
    require(user, team.pk, Role.VIEWER)
    _check(scopes, expires_at)
    if made_with is not None:
        expires_at = _within(made_with, team, scopes, expires_at)
    made = new_key()
    key = ApiKey.objects.create(
        user=user,
        team=team,
        name=name,
        prefix=made.prefix,
        key_hash=made.key_hash,
        scopes=[scope.value for scope in Scope if scope in scopes],
        expires_at=expires_at,
    )
    return key, made.text


@transaction.atomic
def revoke_api_key(*, key: ApiKey, by: User) -> ApiKey:
    """End a key at once; its owner and the owners of its team may. Revoking twice changes nothing."""
    if key.user_id != by.pk:
        require(by, key.team_id, Role.OWNER)
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    key.refresh_from_db()
    return key


def _check(scopes: Sequence[str], expires_at: datetime | None) -> None:
    problems = [
        Problem(
            path="scopes", code="unknown_scope", message=f"{scope!r} is not one of {', '.join(Scope.values)}."
        )
        for scope in scopes
        if scope not in Scope.values
    ]
    if not scopes:
        problems.append(Problem(path="scopes", code="required", message="Name at least one scope."))
    if expires_at is not None and expires_at <= timezone.now():
        problems.append(Problem(path="expires_at", code="in_the_past", message="Choose a time to come."))
    if problems:
        raise InvalidInput(problems=problems)


def _within(
    parent: ApiKey, team: Team, scopes: Sequence[str], expires_at: datetime | None
) -> datetime | None:
    if team.pk != parent.team_id or not expand(scopes) <= expand(parent.scopes):
        raise NotPermitted("A key can only make keys with its own team and scopes, or fewer.")
    ends = [moment for moment in (parent.expires_at, expires_at) if moment is not None]
    return min(ends, default=None)
