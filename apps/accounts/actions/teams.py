"""Teams: made, renamed, joined by invitation, and who does what in them."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.accounts.keys import digest
from apps.accounts.models import ApiKey, Invitation, Membership, Role, Team, User
from apps.accounts.rights import require
from orchestra.errors import Conflict

INVITATION_DAYS = 7
SLUG_LENGTH = 60


class LastOwner(Conflict):
    """A team needs an owner: make somebody else one first."""

    code = "last_owner"


class AlreadyMember(Conflict):
    """You are in this team already."""

    code = "already_member"


class InvitationOver(Conflict):
    """This invitation is used, withdrawn or too old; ask for a new one."""

    code = "invitation_over"


@transaction.atomic
def create_team(*, name: str, by: User) -> Team:
    """Make a team with `by` as its owner; its short name comes from its name and is unique."""
    team = Team.objects.create(name=name, slug=_free_slug(name))
    Membership.objects.create(team=team, user=by, role=Role.OWNER)
    by.roles[team.pk] = Role.OWNER
    return team


@transaction.atomic
def rename_team(*, team: Team, name: str, by: User) -> Team:
    """Change a team's name; its short name stays, because addresses contain it."""
    require(by, team.pk, Role.OWNER)
    team.name = name
    team.save(update_fields=["name"])
    return team


@transaction.atomic
def invite(*, team: Team, role: str, email: str = "", by: User) -> tuple[Invitation, str]:
    """Return an invitation and the path of its link (`/join/<token>/`), which works once."""
    require(by, team.pk, Role.OWNER)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        team=team,
        email=email,
        role=Role(role),
        token_hash=digest(token),
        created_by=by,
        expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
    )
    return invitation, f"/join/{token}/"


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation, by: User) -> None:
    """Take an invitation back; its link stops working."""
    require(by, invitation.team_id, Role.OWNER)
    invitation.delete()


def find_invitation(token: str) -> Invitation | None:
    """Return the open invitation of a token, or None."""
    if not token:
        return None
    open_ones = Invitation.objects.filter(accepted_at=None, expires_at__gt=timezone.now())
    return open_ones.select_related("team", "created_by").filter(token_hash=digest(token)).first()


@transaction.atomic
def accept_invitation(*, token: str, by: User) -> Membership:
    """Join the team of an invitation, once. Raises InvitationOver, and AlreadyMember without using it up."""
    invitation = find_invitation(token)
    if invitation is None:
        raise InvitationOver()
    if Membership.objects.filter(team_id=invitation.team_id, user=by).exists():
        raise AlreadyMember()
    mine = Invitation.objects.filter(pk=invitation.pk, accepted_at=None)
    if not mine.update(accepted_at=timezone.now()):
        raise InvitationOver()
    membership = Membership.objects.create(team_id=invitation.team_id, user=by, role=invitation.role)
    by.roles[invitation.team_id] = Role(invitation.role)
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: str, by: User) -> Membership:
    """Give a member another role. Raises LastOwner when the team would be without an owner."""
    require(by, membership.team_id, Role.OWNER)
    if membership.role == Role.OWNER and role != Role.OWNER:
        _check_owner_remains(membership)
    membership.role = Role(role)
    membership.save(update_fields=["role"])
    if membership.user_id == by.pk:
        by.roles[membership.team_id] = Role(role)
    return membership


@transaction.atomic
def remove_member(*, membership: Membership, by: User) -> None:
    """Take a member out of a team and revoke their keys for it; everybody may leave by themselves.

    Raises LastOwner when the team would be without an owner.
    """
    if membership.user_id != by.pk:
        require(by, membership.team_id, Role.OWNER)
    if membership.role == Role.OWNER:
        _check_owner_remains(membership)
    keys = ApiKey.objects.filter(user_id=membership.user_id, team_id=membership.team_id, revoked_at=None)
    keys.update(revoked_at=timezone.now())
    membership.delete()
    if membership.user_id == by.pk:
        by.roles.pop(membership.team_id, None)


def _check_owner_remains(leaving: Membership) -> None:
    """Lock the team, so that two owners who leave at the same time do not both see the other one remain."""
    Team.objects.select_for_update().get(pk=leaving.team_id)
    others = Membership.objects.filter(team_id=leaving.team_id, role=Role.OWNER).exclude(pk=leaving.pk)
    if not others.exists():
        raise LastOwner()


def _free_slug(name: str) -> str:
    base = slugify(name)[:SLUG_LENGTH] or "team"
    if not Team.objects.filter(slug=base).exists():
        return base
    return f"{base}-{secrets.token_hex(4)}"
