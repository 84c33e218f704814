"""When a schedule is due: cron, time zones, changes of the clock, what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.runs.models import Run
from apps.triggers import schedules
from apps.triggers.actions.due import release_queued, start_due
from apps.triggers.models import Firing, Trigger
from orchestra.errors import InvalidInput

BERLIN = "Europe/Berlin"


def local(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(BERLIN))


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.fixture
def due(make_trigger: Any) -> Any:
    """Return a factory of schedules whose next time is set: `due(at(2026, 3, 1, 12), cron=…)`."""

    def make(next_at: datetime, cron: str = "0 * * * *", **settings: Any) -> Trigger:
        trigger = make_trigger("schedule", cron=cron, **settings)
        Trigger.objects.filter(pk=trigger.pk).update(next_at=next_at)
        trigger.refresh_from_db()
        return trigger

    return make


def times_of(trigger: Trigger) -> list[datetime]:
    return [one.due_at for one in trigger.firings.filter(run__isnull=False).order_by("due_at")]


def test_a_time_that_the_clock_skips_comes_right_after_the_gap() -> None:
    found = schedules.upcoming("30 2 * * *", BERLIN, local(2026, 3, 28, 12), 2)

    assert found == [at(2026, 3, 29, 1, 0), at(2026, 3, 30, 0, 30)]


def test_a_time_that_the_clock_shows_twice_comes_once() -> None:
    found = schedules.upcoming("30 2 * * *", BERLIN, local(2026, 10, 24, 12), 2)

    assert found == [at(2026, 10, 25, 0, 30), at(2026, 10, 26, 1, 30)]


def test_made_while_the_clock_shows_an_hour_again_it_is_due_the_next_day() -> None:
    second_time = at(2026, 10, 25, 1, 10)

    assert schedules.following("30 2 * * *", BERLIN, second_time) == at(2026, 10, 26, 1, 30)


def test_every_quarter_of_an_hour_goes_on_through_both_changes_of_the_clock() -> None:
    for day in (at(2026, 3, 29), at(2026, 10, 25)):
        found = schedules.upcoming("*/15 * * * *", BERLIN, day - timedelta(seconds=1), 20)

        assert found == [day + timedelta(minutes=15 * step) for step in range(20)]


def test_six_fields_begin_with_the_second() -> None:
    assert schedules.following("*/10 * * * * *", "UTC", at(2026, 1, 1, 0, 0, 3)) == at(2026, 1, 1, 0, 0, 10)


SPRING = st.datetimes(datetime(2026, 3, 28, 22), datetime(2026, 3, 29, 4))
AUTUMN = st.datetimes(datetime(2026, 10, 24, 22), datetime(2026, 10, 25, 4))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 3 * * *", "15,45 1-3 * * *", "*/20 * * * * *"]),
    SPRING | AUTUMN,
    st.integers(1, 7000),
)
def test_what_passed_is_what_was_upcoming(cron: str, start: datetime, seconds: int) -> None:
    start = start.replace(tzinfo=UTC, microsecond=0)
    until = start + timedelta(seconds=seconds)

    forward = [one for one in schedules.upcoming(cron, BERLIN, start, 400) if one <= until]
    backward = [one for one in schedules.passed(cron, BERLIN, start, until, 400) if one > start]

    assert backward == forward


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "a b c d e", "* " * 300])
def test_what_is_no_schedule_is_refused_with_its_path(make_trigger: Any, cron: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_trigger("schedule", cron=cron)

    assert [one.path for one in caught.value.problems] == ["settings.cron"]


def test_an_unknown_time_zone_is_refused(make_trigger: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_trigger("schedule", cron="0 * * * *", time_zone="Europe/Atlantis")

    assert [one.path for one in caught.value.problems] == ["settings.time_zone"]


def test_a_due_schedule_starts_one_run_and_moves_on(due: Any) -> None:
    trigger = due(at(2026, 3, 1, 12), input={"name": "{{ due_at }} {{ trigger.name }}"})

    count = start_due(at(2026, 3, 1, 12, 0, 1))
    again = start_due(at(2026, 3, 1, 12, 0, 2))

    trigger.refresh_from_db()
    run = trigger.firings.get().run
    assert (count, again) == (1, 0)
    assert run.input == {"name": "2026-03-01T12:00:00Z My schedule"}
    assert (run.origin, run.started_by.username) == ("schedule", "ada")
    assert trigger.next_at == at(2026, 3, 1, 13)


def test_a_second_leader_that_saw_the_same_due_time_starts_nothing(due: Any) -> None:
    trigger = due(at(2026, 3, 1, 12))
    start_due(at(2026, 3, 1, 12, 0, 1))
    Trigger.objects.filter(pk=trigger.pk).update(next_at=at(2026, 3, 1, 12))  # a stale read of before

    start_due(at(2026, 3, 1, 12, 0, 2))

    assert times_of(trigger) == [at(2026, 3, 1, 12)]


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("once", [at(2026, 3, 1, 12, 3)]),
        ("skip", []),
        ("all", [at(2026, 3, 1, 12, minute) for minute in range(4)]),
    ],
)
def test_what_was_missed_is_caught_up_as_the_policy_says(
    due: Any, misfire: str, expected: list[datetime]
) -> None:
    trigger = due(at(2026, 3, 1, 12), cron="* * * * *", misfire=misfire)

    start_due(at(2026, 3, 1, 12, 3, 50))

    assert times_of(trigger) == expected


def test_running_all_is_bounded_to_the_latest(due: Any) -> None:
    trigger = due(at(2026, 3, 1, 0), cron="* * * * *", misfire="all", catch_up=3)

    start_due(at(2026, 3, 1, 12, 0, 45))

    assert times_of(trigger) == [at(2026, 3, 1, 11, 58), at(2026, 3, 1, 11, 59), at(2026, 3, 1, 12)]


def test_a_tick_that_comes_some_seconds_late_leaves_no_due_time_out(due: Any) -> None:
    trigger = due(at(2026, 3, 1, 12), cron="* * * * * *", misfire="skip")

    start_due(at(2026, 3, 1, 12, 0, 4))

    assert times_of(trigger) == [at(2026, 3, 1, 12, 0, second) for second in range(5)]


def test_while_the_last_run_goes_on_the_next_is_left_out(due: Any, end: Any) -> None:
    trigger = due(at(2026, 3, 1, 12), overlap="skip")
    start_due(at(2026, 3, 1, 12))

    start_due(at(2026, 3, 1, 13))
    end(trigger.firings.get(status="started").run)
    start_due(at(2026, 3, 1, 14))

    assert times_of(trigger) == [at(2026, 3, 1, 12), at(2026, 3, 1, 14)]
    assert trigger.firings.get(status="skipped").detail == "Run #1 has not ended yet."


def test_what_waits_starts_in_order_when_the_run_before_has_ended(due: Any, end: Any) -> None:
    trigger = due(at(2026, 3, 1, 12), overlap="queue", input={"name": "{{ due_at }}"})
    for hour in (12, 13, 14):
        start_due(at(2026, 3, 1, hour))

    before = release_queued()
    end(trigger.firings.get(status="started").run)
    after = [release_queued(), release_queued()]

    assert (before, after) == (0, [1, 0])
    second = trigger.firings.get(due_at=at(2026, 3, 1, 13))
    assert second.run.input == {"name": "2026-03-01T13:00:00Z"}
    assert trigger.firings.get(due_at=at(2026, 3, 1, 14)).status == "queued"


def test_the_last_run_is_cancelled_for_the_next(due: Any) -> None:
    trigger = due(at(2026, 3, 1, 12), overlap="cancel")
    start_due(at(2026, 3, 1, 12))

    start_due(at(2026, 3, 1, 13))

    first, second = [one.run for one in trigger.firings.order_by("due_at").select_related("run")]
    assert (first.status, second.status) == ("cancelled", "queued")


def test_an_input_that_does_not_fit_is_told_and_the_schedule_goes_on(due: Any) -> None:
    trigger = due(at(2026, 3, 1, 12), input={"name": 3})

    start_due(at(2026, 3, 1, 12))

    trigger.refresh_from_db()
    firing: Firing = trigger.firings.get()
    assert (firing.status, firing.run) == ("refused", None)
    assert "name" in firing.detail
    assert trigger.next_at == at(2026, 3, 1, 13)


def test_nobody_runs_what_they_may_no_longer_run(due: Any, editor: Any) -> None:
    trigger = due(at(2026, 3, 1, 12))
    editor.memberships.update(role="viewer")

    start_due(at(2026, 3, 1, 12))

    assert trigger.firings.get().status == "refused"
    assert "role" in trigger.firings.get().detail


def test_a_paused_schedule_rests_and_catches_nothing_up(due: Any, editor: Any) -> None:
    from apps.triggers.actions import update_trigger

    trigger = due(at(2026, 3, 1, 12), misfire="all")
    update_trigger(trigger=trigger, is_enabled=False, by=editor)
    assert start_due(at(2026, 3, 2)) == 0

    resumed = update_trigger(trigger=trigger, is_enabled=True, by=editor)

    assert resumed.next_at is not None
    assert resumed.next_at > datetime.now(UTC)


def test_two_leaders_at_once_start_each_due_time_once(transactional_db: None, due: Any) -> None:
    from threading import Barrier, Thread

    from django.db import OperationalError, connection

    trigger = due(at(2026, 3, 1, 12), cron="* * * * * *", misfire="all")
    together = Barrier(4)

    def lead() -> None:
        together.wait(10)
        for second in range(5, 12):
            try:
                start_due(at(2026, 3, 1, 12, 0, second))
            except OperationalError:  # SQLite is busy: the next round comes in a second
                continue
        connection.close()

    leaders = [Thread(target=lead) for _ in range(4)]
    for leader in leaders:
        leader.start()
    for leader in leaders:
        leader.join(60)

    assert times_of(trigger) == [at(2026, 3, 1, 12, 0, second) for second in range(12)]
    assert trigger.firings.count() == Run.objects.count() == 12
