"""Sums over calls: days are the reader's, teams are apart, and what is old becomes a sum without changing any."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.runs import rows
from apps.usage.actions import roll_up
from apps.usage.models import ModelCall
from apps.usage.sums import Only, Period, calls_of, grouped, total_of
from orchestra.ids import new_id
from workers import upkeep

MAY = Period(date(2026, 5, 1), date(2026, 5, 3), ZoneInfo("Asia/Kathmandu"))


def test_a_day_begins_when_it_begins_for_the_reader(team: Any, editor: Any, add_call: Any) -> None:
    add_call(datetime(2026, 4, 30, 18, 14, tzinfo=UTC), cost="1")
    add_call(datetime(2026, 4, 30, 18, 15, tzinfo=UTC), cost="2")
    add_call(datetime(2026, 5, 3, 18, 14, tzinfo=UTC), cost="4")
    add_call(datetime(2026, 5, 3, 18, 15, tzinfo=UTC), cost="8")

    days = grouped(calls_of(editor, team, MAY, Only()), "day", MAY)

    assert [(line.key, line.cost) for line in days] == [
        ("2026-05-01", Decimal(2)),
        ("2026-05-02", Decimal(0)),
        ("2026-05-03", Decimal(4)),
    ]


def test_a_person_sees_the_calls_of_the_own_team_only(
    team: Any, editor: Any, make_user: Any, add_call: Any
) -> None:
    add_call(datetime(2026, 5, 2, tzinfo=UTC), cost="1")
    stranger = make_user("eve")

    assert total_of(calls_of(stranger, team, MAY, Only())).calls == 0
    assert total_of(calls_of(editor, team, MAY, Only())).calls == 1
    assert total_of(calls_of(editor, team, MAY, Only(model="other"))).calls == 0
    assert total_of(calls_of(editor, team, MAY, Only(user="ada", agent=""))).calls == 1


def test_old_calls_become_sums_that_say_the_same(
    team: Any, editor: Any, add_call: Any, settings: Any
) -> None:
    settings.ORCHESTRA_KEEP_CALLS_DAYS = 30
    long_ago, run = datetime(2026, 5, 2, 10, 1, tzinfo=UTC), new_id()
    for second in range(4):
        add_call(long_ago + timedelta(seconds=second), run=run, cost="0.25", input_tokens=3, seconds=1.5)
    add_call(long_ago, failed=1, error="rate_limited")
    add_call(long_ago + timedelta(minutes=14), model="m2", output_tokens=7)
    recent = add_call(timezone.now())
    before = {by: grouped(calls_of(editor, team, MAY, Only()), by, MAY) for by in ("day", "model", "user")}

    taken = roll_up()
    upkeep.purge()

    assert taken == 6
    assert {by: grouped(calls_of(editor, team, MAY, Only()), by, MAY) for by in before} == before
    assert ModelCall.objects.exclude(pk=recent.pk).count() == 2
    assert total_of(calls_of(editor, team, MAY, Only())).runs == 3
    settings.ORCHESTRA_KEEP_CALLS_DAYS = 0
    assert roll_up(timezone.now() + timedelta(days=9999)) == 0


def test_a_commit_without_calls_of_models_writes_nothing_about_them(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        rows.insert_calls([])

    assert len(queries) == 0
