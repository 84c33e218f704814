"""The operator's exceptions for outbound requests: `host:port` for every team, `team=host:port` for one of them."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from uuid import UUID

from django.conf import settings

from apps.accounts.models import Team


def allowed_out(team: str) -> frozenset[str]:
    """Return the `host:port` inside this network that a team, by its short name, may call."""
    return _allowed(settings.ORCHESTRA_ALLOWED_HOSTS_OUT, team)


@lru_cache(maxsize=10_000)
def team_name(team_id: UUID | str) -> str:
    """Return the short name of a team; it never changes, so that it is read once a process."""
    return Team.objects.values_list("slug", flat=True).get(pk=team_id)


@lru_cache(maxsize=10_000)
def _allowed(entries: Collection[str], team: str) -> frozenset[str]:
    split = (entry.rpartition("=") for entry in entries)
    return frozenset(place.strip().lower() for owner, _, place in split if owner.strip() in ("", team))
