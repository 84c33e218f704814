"""The upkeep's signs and its cleaning: probes, a broker that forgot, dead letters, what is old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as conf
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.runs import figures
from apps.runs.actions import probes, retention, start_run
from apps.runs.actions import upkeep as passes
from apps.runs.models import CanvasPart, Event, NodeRun, QueueProbe, Run
from orchestra.celery import QUEUES
from workers import signs
from workers.upkeep import Upkeep

NOW = timezone.now()
ONE_NODE: dict[str, Any] = {
    "orchestra": 1,
    "name": "One",
    "nodes": {"one": {"kind": "transform", "settings": {"value": 1}}},
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the runs for which a hint was sent."""
    found: list[str] = []
    monkeypatch.setattr(passes, "send_advance", lambda run, priority: found.append(run) or True)
    return found


@pytest.fixture
def begin(publish_workflow: Any, editor: User) -> Any:
    workflow = publish_workflow(ONE_NODE, name="One")
    return lambda: start_run(workflow=workflow, input={}, by=editor)


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def test_a_probe_is_sent_every_few_seconds_and_measures_what_it_needed(db: None) -> None:
    first = probes.due_probes(("llm",), NOW)
    too_soon = probes.due_probes(("llm",), NOW + timedelta(seconds=4))
    probes.note_probe("llm", 1, NOW + timedelta(seconds=1.5))
    second = probes.due_probes(("llm",), NOW + timedelta(seconds=6))

    assert (first, too_soon, second) == ([("llm", 1)], [], [("llm", 2)])
    assert figures.queue_delays(NOW + timedelta(seconds=6.5)) == {"llm": 1.5}


def test_a_probe_that_is_under_way_shows_how_late_the_queue_is(db: None) -> None:
    probes.due_probes(("llm",), NOW)

    assert figures.queue_delays(NOW + timedelta(seconds=20)) == {"llm": 20.0}
    assert probes.due_probes(("llm",), NOW + timedelta(seconds=20)) == []
    assert probes.due_probes(("llm",), NOW + timedelta(seconds=31)) == [("llm", 2)]


def test_a_queue_that_nobody_serves_does_not_fill_up_with_probes(db: None) -> None:
    probes.due_probes(("cpu",), NOW)

    later = NOW + timedelta(hours=1)

    assert probes.due_probes(("cpu",), later, is_waiting=lambda queue: True) == []
    assert probes.due_probes(("cpu",), later, is_waiting=lambda queue: False) == [("cpu", 2)]


def test_a_probe_that_comes_after_the_next_one_was_sent_says_nothing(db: None) -> None:
    probes.due_probes(("llm",), NOW)
    probes.due_probes(("llm",), NOW + timedelta(seconds=31))

    probes.note_probe("llm", 1, NOW + timedelta(seconds=32))
    probes.note_probe("llm", 2, NOW + timedelta(seconds=33))
    probes.note_probe("llm", 2, NOW + timedelta(seconds=90))

    assert QueueProbe.objects.get().delay_seconds == 2.0


def test_a_later_probe_that_came_through_proves_the_loss_although_messages_wait(
    begin: Any, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin()
    Run.objects.update(created_at=ago(60))
    monkeypatch.setattr(signs, "is_backlogged", lambda queue: True)

    before = passes.resend_unclaimed(signs.is_late)
    probes.due_probes(QUEUES, ago(5))
    waiting = passes.resend_unclaimed(signs.is_late)
    probes.note_probe("control", 1)
    proven = passes.resend_unclaimed(signs.is_late)

    assert (before, waiting, proven) == (0, 0, 1)
    assert sent == [str(run.pk)]


def test_a_broker_that_forgot_gets_everything_again_at_once(
    begin: Any, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, running, settled = begin(), begin(), begin()
    Run.objects.filter(pk__in=[running.pk, settled.pk]).update(status="running", dispatched_at=timezone.now())
    NodeRun.objects.filter(run=settled).update(status="running", worker="w")
    answers = iter([True, False, False])
    monkeypatch.setattr(signs, "has_forgotten", lambda: next(answers))
    upkeep = Upkeep()

    counts = [upkeep._resend() for _ in range(3)]

    assert counts == [2, 0, 0]
    assert sorted(sent) == sorted([str(fresh.pk), str(running.pk)])


def test_more_runs_than_go_at_once_go_in_the_rounds_that_follow(
    begin: Any, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        begin()
    monkeypatch.setattr(passes, "RESENT_AT_ONCE", 2)
    answers = iter([True, False, False, False])
    monkeypatch.setattr(signs, "has_forgotten", lambda: next(answers))
    upkeep = Upkeep()

    assert [upkeep._resend() for _ in range(4)] == [2, 2, 1, 0]
    assert len(set(sent)) == 5


def test_runs_are_kept_for_ever_unless_the_installation_says_otherwise(begin: Any, settings: Any) -> None:
    run = begin()
    Run.objects.update(status="succeeded", finished_at=ago(86400 * 1000))
    settings.ORCHESTRA_KEEP_RUNS_DAYS = 0

    assert retention.purge_runs() == 0
    assert Run.objects.filter(pk=run.pk).exists()


def test_what_ended_too_long_ago_goes_with_all_that_belongs_to_it(
    begin: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ORCHESTRA_KEEP_RUNS_DAYS = 30
    monkeypatch.setattr(retention, "BATCH_OF_RUNS", 2)
    later = timezone.now() + timedelta(days=31)
    old = [begin() for _ in range(5)]
    still_open = begin()
    recent = begin()
    Run.objects.exclude(pk=still_open.pk).update(status="succeeded", finished_at=timezone.now())
    Run.objects.filter(pk=recent.pk).update(finished_at=later)

    gone = retention.purge_runs(later)

    assert gone == len(old)
    assert set(Run.objects.values_list("pk", flat=True)) == {still_open.pk, recent.pk}
    assert not Event.objects.exclude(run__in=[still_open, recent]).exists()
    assert not NodeRun.objects.exclude(run__in=[still_open, recent]).exists()


def test_a_purge_that_runs_out_of_time_leaves_whole_runs(
    begin: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ORCHESTRA_KEEP_RUNS_DAYS = 1
    begin()
    Run.objects.update(status="succeeded", finished_at=timezone.now())

    assert retention.purge_runs(timezone.now() + timedelta(days=2), seconds=0) == 0
    assert Run.objects.count() == NodeRun.objects.count() == 1


def test_counters_of_canvases_that_never_completed_go_after_a_day(db: None) -> None:
    CanvasPart.objects.create(group="old", created_at=ago(90_000))
    CanvasPart.objects.create(group="new")

    assert retention.purge_canvas_parts() == 1
    assert CanvasPart.objects.get().group == "new"


def test_dead_letters_are_the_nodes_that_took_workers_down(begin: Any, make_user: Any) -> None:
    run, other = begin(), begin()
    NodeRun.objects.filter(run=run).update(losses=3, status="failed", error={"code": "poison"})
    NodeRun.objects.filter(run=other).update(losses=2, status="failed", error={"code": "x"})
    client = APIClient()
    client.force_login(make_user("root", is_staff=True))

    found = client.get("/api/v1/system/dead-letters").json()["results"]

    assert [(one["run"], one["path"], one["losses"]) for one in found] == [(str(run.pk), "one", 3)]


def test_the_queues_say_how_late_they_are(db: None, make_user: Any) -> None:
    probes.due_probes(("llm",), ago(3))
    probes.note_probe("llm", 1, ago(1))
    client = APIClient()
    client.force_login(make_user("root", is_staff=True))

    found = {
        one["name"]: one["delay_seconds"] for one in client.get("/api/v1/system/queues").json()["results"]
    }

    assert found["llm"] == pytest.approx(2, abs=0.1)
    assert found["cpu"] is None


def test_a_probe_travels_through_a_worker(worker: Any) -> None:
    import threading

    signs.send_probes()
    pause = threading.Event()
    for _ in range(300):
        if QueueProbe.objects.filter(delay_seconds__isnull=False).count() == len(QUEUES):
            break
        pause.wait(0.05)

    assert set(figures.queue_delays()) == set(QUEUES)
    assert all(probe.is_back for probe in QueueProbe.objects.all())


@pytest.mark.skipif(not conf.BROKER_URL.startswith("redis"), reason="only a Redis broker can forget")
def test_a_flushed_redis_is_noticed_once() -> None:
    from orchestra.celery import app

    signs.has_forgotten()
    before = signs.has_forgotten()
    with app.connection_for_write() as broker, broker.channel() as channel:
        channel.client.delete(signs.MARKER)  # as FLUSHALL and a restart without its file do

    assert (before, signs.has_forgotten(), signs.has_forgotten()) == (False, True, False)
