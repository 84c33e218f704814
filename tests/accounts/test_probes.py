"""Probes and figures: what a stranger learns, and that they tell the truth."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.runs import figures
from apps.runs.models import Worker
from orchestra import health
from orchestra.health import Readiness

METRICS = "/metrics"


def fail() -> None:
    raise ConnectionError


@pytest.fixture
def depend(monkeypatch: pytest.MonkeyPatch) -> Any:
    def depend(**probes: Any) -> None:
        monkeypatch.setattr(health, "READINESS", Readiness(probes))

    return depend


def test_health_touches_nothing(client: Client, django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


def test_ready_names_every_dependency(client: Client, depend: Any) -> None:
    depend(database=lambda: None, broker=lambda: None)

    answer = client.get("/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "broker": "ok"}}


def test_ready_is_503_while_one_is_missing(client: Client, depend: Any) -> None:
    depend(database=lambda: None, broker=fail)

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "broker": "missing"}
    assert int(answer["Retry-After"]) > 0


def test_a_dependency_that_hangs_counts_as_missing_and_holds_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    healed, calls = threading.Event(), []

    def hang() -> None:
        calls.append(1)
        healed.wait(10)

    readiness = Readiness({"database": hang})

    answers = [readiness.check()["database"] for _ in range(3)]

    assert answers == [False] * 3
    assert len(calls) == 1
    healed.set()
    until = time.monotonic() + 5
    while not readiness.check()["database"]:
        assert time.monotonic() < until


def test_asking_often_asks_the_dependencies_once(depend: Any, client: Client) -> None:
    calls: list[int] = []
    depend(database=lambda: calls.append(1))

    for _ in range(20):
        client.get("/ready")

    assert len(calls) == 1


def test_the_real_dependencies_answer(transactional_db: None) -> None:
    for name, probe in health.probes().items():
        probe()
        assert name in {"database", "migrations", "broker", "cache"}


def test_a_broker_that_is_away_is_noticed(settings: Any) -> None:
    from orchestra.celery import app

    before = app.conf.broker_write_url
    app.conf.broker_write_url = "redis://127.0.0.1:1/0"
    try:
        with pytest.raises(Exception, match=r"refused|111"):
            health.ask_broker()
    finally:
        app.conf.broker_write_url = before


def test_a_cache_that_is_away_is_noticed(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    with pytest.raises(Exception, match=r"refused|111"):
        health.ask_cache()


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_change_nothing(client: Client, depend: Any, path: str) -> None:
    depend()

    assert client.post(path).status_code == 405


def test_metrics_are_for_this_machine(client: Client, db: None) -> None:
    answer = client.get(METRICS, REMOTE_ADDR="127.0.0.1")

    assert answer.status_code == 200
    text = answer.content.decode()
    assert 'orchestra_nodes_queued{queue="llm"} 0.0' in text
    assert "django_http_requests_total_by_method_total" in text


@pytest.mark.parametrize(
    "origin",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"},
        {"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer "},
        {"REMOTE_ADDR": "192.0.2.7", "HTTP_AUTHORIZATION": "Bearer wrong"},
    ],
)
def test_metrics_are_hidden_from_everybody_else(
    client: Client, settings: Any, db: None, origin: dict[str, str]
) -> None:
    settings.ORCHESTRA_METRICS_TOKEN = "a-long-random-metrics-token"

    assert client.get(METRICS, **origin).status_code == 404


def test_metrics_are_hidden_behind_a_proxy_that_does_not_say_so(
    client: Client, settings: Any, db: None
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1

    assert client.get(METRICS, REMOTE_ADDR="127.0.0.1").status_code == 404


def test_metrics_open_to_their_token(client: Client, settings: Any, db: None) -> None:
    settings.ORCHESTRA_METRICS_TOKEN = "a-long-random-metrics-token"

    answer = client.get(
        METRICS, REMOTE_ADDR="192.0.2.7", headers={"Authorization": "Bearer a-long-random-metrics-token"}
    )

    assert answer.status_code == 200


def test_an_unset_token_opens_nothing(client: Client, settings: Any, db: None) -> None:
    settings.ORCHESTRA_METRICS_TOKEN = ""

    answer = client.get(METRICS, REMOTE_ADDR="192.0.2.7", headers={"Authorization": "Bearer "})

    assert answer.status_code == 404


@pytest.fixture
def two_workers(db: None, settings: Any) -> None:
    now = timezone.now()
    common = {"queues": "llm,io", "pool": "loop", "slots": 10, "version": "1"}
    Worker.objects.create(name="alive", busy=3, seen_at=now, **common)
    silent = now - timedelta(seconds=settings.ORCHESTRA_LEASE_SECONDS + 1)
    Worker.objects.create(name="silent", busy=5, seen_at=silent, **common)


def test_a_silent_worker_has_lost_its_lease(two_workers: None) -> None:
    assert {worker.name: worker.is_alive for worker in figures.workers()} == {"alive": True, "silent": False}


def test_metrics_count_the_living_only(client: Client, two_workers: None) -> None:
    text = client.get(METRICS, REMOTE_ADDR="127.0.0.1").content.decode()

    assert "orchestra_workers_alive 1.0" in text
    assert "orchestra_worker_slots 10.0" in text
    assert "orchestra_worker_slots_busy 3.0" in text


SYSTEM = ["/api/v1/system/health", "/api/v1/system/workers", "/api/v1/system/queues",
          "/api/v1/system/dead-letters"]  # fmt: skip


@pytest.mark.parametrize("path", SYSTEM)
def test_the_operator_plane_is_closed_to_members(api: APIClient, owner: User, log_in: Any, path: str) -> None:
    assert api.get(path).status_code == 401
    log_in("olga")
    assert api.get(path).status_code == 403


@pytest.mark.parametrize("path", SYSTEM)
def test_the_operator_plane_opens_to_staff(
    api: APIClient, make_user: Any, log_in: Any, two_workers: None, path: str, depend: Any
) -> None:
    make_user("stan", is_staff=True)
    log_in("stan")

    assert api.get(path).status_code == 200


def test_a_key_of_the_staff_needs_the_scope_for_the_operator_plane(
    api: APIClient, make_user: Any, team: Any, make_key: Any
) -> None:
    stan = make_user("stan", team, is_staff=True)

    statuses = {}
    for scope in ("read", "write", "admin"):
        _key, text = make_key(stan, scope)
        statuses[scope] = api.get(SYSTEM[1], HTTP_AUTHORIZATION=f"Bearer {text}").status_code

    assert statuses == {"read": 403, "write": 403, "admin": 200}


def test_workers_and_queues_are_listed(
    api: APIClient, make_user: Any, log_in: Any, two_workers: None
) -> None:
    make_user("stan", is_staff=True)
    log_in("stan")

    workers = api.get(SYSTEM[1]).json()
    queues = api.get(SYSTEM[2]).json()

    assert [(row["name"], row["is_alive"]) for row in workers["results"]] == [
        ("alive", True),
        ("silent", False),
    ]
    assert [row["name"] for row in queues["results"]] == ["llm", "io", "cpu", "control"]
    assert workers["next"] is None
