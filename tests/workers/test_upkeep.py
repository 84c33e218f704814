"""The upkeep's own behaviour: one leader, rounds that never end the process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.runs.actions import upkeep as passes
from apps.runs.models import Leadership
from workers.upkeep import Upkeep, is_backlogged


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    monkeypatch.setattr(Upkeep, "_round", lambda self: made.append(self.name))
    return made


def named(name: str) -> Upkeep:
    upkeep = Upkeep()
    upkeep.name = name
    return upkeep


def test_of_two_only_one_leads(db: None, rounds: list[str]) -> None:
    first, second = named("first"), named("second")

    for _ in range(3):
        first.tick()
        second.tick()

    assert rounds == ["first"] * 3


def test_a_silent_leader_is_replaced_and_does_not_lead_when_it_wakes(db: None, rounds: list[str]) -> None:
    first, second = named("first"), named("second")
    first.tick()
    Leadership.objects.update(seen_at=timezone.now() - timedelta(seconds=60))

    second.tick()
    first.tick()

    assert rounds == ["first", "second"]


def test_a_database_that_is_away_only_postpones_a_round(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(passes, "note_lost_workers", away)

    named("only").tick()

    assert Leadership.objects.count() == 1


def test_a_queue_that_cannot_be_asked_counts_as_empty() -> None:
    assert is_backlogged("no-such-queue") is False
