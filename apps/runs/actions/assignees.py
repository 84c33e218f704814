"""Who is to decide an approval: from the names in a definition to people, roles and teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from apps.accounts.models import ROLE_RANK, Membership, Role, Team, User
from orchestra.engine.nodes.approval import NobodyToDecide, parse_assignees


@dataclass(frozen=True, slots=True)
class Deciders:
    """Members of the run's team by name or by least role, and other teams whose operators decide too."""

    people: list[User]
    role: str
    teams: list[Team]


def find_assignees(team: str, assignees: Sequence[str]) -> Deciders:
    """Look the assignees of a run of this team up; what does not exist is left out."""
    named = parse_assignees(assignees)
    people = list(User.objects.filter(username__in=named.people, memberships__team_id=UUID(team)))
    teams = list(Team.objects.filter(slug__in=named.teams))
    return Deciders(people, named.role, teams)


def check_assignees(team: str, assignees: Sequence[str], quorum: int) -> None:
    """See that all assignees exist and are at least `quorum` people. Raises NobodyToDecide."""
    named, found = parse_assignees(assignees), find_assignees(team, assignees)
    people, teams = {user.username for user in found.people}, {other.slug for other in found.teams}
    missing = sorted((named.people - people) | (named.teams - teams))
    if missing:
        listed = ", ".join(f"“{name[:80]}”" for name in missing[:5])
        raise NobodyToDecide(f"There is no member of the team and no team with the name {listed}.")
    able = [role for role in Role if ROLE_RANK[role] >= ROLE_RANK[Role.OPERATOR]]
    wanted = Q(team__in=found.teams, role__in=able)
    if found.role:
        least = ROLE_RANK[Role(found.role)]
        wanted |= Q(team_id=UUID(team), role__in=[role for role in Role if ROLE_RANK[role] >= least])
    members = set(Membership.objects.filter(wanted).values_list("user_id", flat=True)[: quorum + 50])
    count = len(members | {user.pk for user in found.people})
    if count < quorum:
        raise NobodyToDecide(f"{quorum} people must approve, and there are {count} who may.")
