"""The journal of a node run: what its attempts need not do again, written by whoever holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.runs.ledger import JournalEntry
from apps.runs.models import NodeRun
from orchestra.errors import Overtaken

DECISION = "decision:"
"""Begins the key of what a person has said about a call."""


def recall(run: str, path: str, round_: int) -> dict[str, Any]:
    """Return the entries of a node run since it was last retried by hand, by key."""
    found = JournalEntry.objects.filter(run_id=UUID(run), path=path, round=round_)
    return dict(found.values_list("key", "entry"))


def decision_on(run: str, path: str, round_: int, key: str) -> Mapping[str, Any] | None:
    """Return what a person has said about a call: `{decision, digest, by, comment}`, or None."""
    entry: Mapping[str, Any] | None = (
        JournalEntry.objects.filter(run_id=UUID(run), path=path, round=round_, key=f"{DECISION}{key}")
        .values_list("entry", flat=True)
        .first()
    )
    return entry


@transaction.atomic
def remember(run: str, path: str, round_: int, fence: int, key: str, entry: Mapping[str, Any]) -> None:
    """Write down a step of the attempt that holds the node run. Raises Overtaken when another does by now."""
    if not NodeRun.objects.filter(run_id=UUID(run), path=path, fence=fence).exists():
        raise Overtaken
    write(run, path, round_, key, entry)


def write(run: str, path: str, round_: int, key: str, entry: Mapping[str, Any]) -> None:
    """Write down an entry, in place of an earlier one with this key."""
    JournalEntry.objects.update_or_create(
        run_id=UUID(run), path=path, round=round_, key=key, defaults={"entry": dict(entry)}
    )
