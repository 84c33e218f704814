"""The upkeep's own behaviour: one leader, rounds that never end the process."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from apps.runs.actions import upkeep as passes
from apps.runs.models import Leadership, Worker
from workers import upkeep as upkeeps
from workers.signs import is_backlogged
from workers.upkeep import Upkeep


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


def test_a_pass_that_fails_holds_up_no_other(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise IntegrityError("a run that cannot be")

    made: list[str] = []
    monkeypatch.setattr(passes, "end_due_waits", broken)
    monkeypatch.setattr(passes, "take_from_lost_workers", lambda: made.append("lost") or 0)

    named("only").tick()

    assert made == ["lost"]


def test_after_the_database_was_away_workers_have_time_to_renew_their_leases(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.ORCHESTRA_LEASE_SECONDS = 20
    Worker.objects.create(
        pk="w1", queues="cpu", pool="x", slots=1, seen_at=timezone.now() - timedelta(minutes=1)
    )
    upkeep, real = named("only"), Upkeep._leads
    now = 1000.0
    monkeypatch.setattr(upkeeps, "time", SimpleNamespace(monotonic=lambda: now))

    def away(_self: Upkeep) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(Upkeep, "_leads", away)
    upkeep.tick()
    monkeypatch.setattr(Upkeep, "_leads", real)

    upkeep.tick()
    assert Worker.objects.get().lost_at is None

    now += 11
    upkeep.tick()
    assert Worker.objects.get().lost_at is not None
