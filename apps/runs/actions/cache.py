"""Results of nodes with `cache`: found again for the same work in the same team, forgotten when their time is over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, Connection
from apps.runs.ledger import CacheEntry
from orchestra.engine.outcome import Done

BATCH = 1000


def fingerprint(team: str, kind: str, settings: Mapping[str, Any]) -> str:
    """Return the key of a piece of work: kind, rendered settings, and the agents and connections as they are now."""
    text = json.dumps([kind, settings, _revisions(team, settings)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def find_result(team: str, key: str) -> Done | None:
    """Return a result that is still good, as the outcome of an attempt that cost nothing."""
    entry = CacheEntry.objects.filter(team_id=team, key=key, expires_at__gt=timezone.now()).first()
    return None if entry is None else Done(entry.output, tuple(entry.ports), is_cached=True)


def keep_result(team: str, key: str, kind: str, done: Done, seconds: float) -> None:
    """Keep the result of an attempt for so many seconds."""
    now = timezone.now()
    fields = {
        "kind": kind,
        "output": done.output,
        "ports": list(done.ports),
        "created_at": now,
        "expires_at": now + timedelta(seconds=seconds),
    }
    CacheEntry.objects.update_or_create(team_id=team, key=key, defaults=fields)


def purge_results() -> int:
    """Delete results whose time is over; return how many."""
    deleted = 0
    while True:
        old = CacheEntry.objects.filter(expires_at__lte=timezone.now()).values_list("pk", flat=True)[:BATCH]
        count, _ = CacheEntry.objects.filter(pk__in=list(old)).delete()
        deleted += count
        if count < BATCH:
            return deleted


def _revisions(team: str, settings: Mapping[str, Any]) -> list[Any]:
    """Return the agents and connections that settings name, each with its revision."""
    choices = [settings, *(one for one in _fallbacks(settings) if isinstance(one, Mapping))]
    if not any(key in choice for choice in choices for key in ("agent", "connection", "model", "prompt")):
        return []
    names = [str(choice.get("agent")) for choice in choices]
    places = [str(choice.get("connection")) for choice in choices]
    places += [one for one in _fallbacks(settings) if isinstance(one, str)]
    agents = Agent.objects.filter(team_id=team, slug__in=names).order_by("slug")
    used = Q(slug__in=places) | Q(is_default=True) | Q(agents__in=agents)
    connections = Connection.objects.filter(used, team_id=team).order_by("slug").distinct()
    return [list(found.values_list("id", "revision")) for found in (agents, connections)]


def _fallbacks(settings: Mapping[str, Any]) -> Iterable[Any]:
    found = settings.get("fallbacks")
    return found if isinstance(found, list) else ()
