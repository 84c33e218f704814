"""Rates and request ids."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.workflows.models import Workflow
from orchestra.api_limits import window_of


@pytest.fixture(autouse=True)
def _fresh_counts() -> Any:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def slow(settings: Any) -> None:
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"user": "3/hour", "anon": "1/hour"},
    }


@pytest.mark.parametrize(
    ("rate", "window"),
    [("6000/min", (1000, 10)), ("5/s", (5, 1)), ("100/hour", (17, 600)), ("1/day", (1, 14400))],
)
def test_a_rate_is_counted_in_short_windows(rate: str, window: tuple[int, float]):
    assert window_of(rate) == window


def test_each_answer_tells_what_is_left(api: APIClient, workflow: Workflow):
    first, second = api.get("/api/v1/workflows"), api.get("/api/v1/workflows")

    assert first.headers["RateLimit-Limit"] == "1000"
    assert int(first.headers["RateLimit-Remaining"]) - int(second.headers["RateLimit-Remaining"]) == 1
    assert 0 < int(first.headers["RateLimit-Reset"]) <= 10
    assert first.headers["RateLimit-Policy"] == "1000;w=10"


def test_who_asks_too_often_is_told_when_to_come_back_and_others_are_not(
    slow: None, api: APIClient, client_of: Any, operator: User, workflow: Workflow
):
    statuses = [api.get("/api/v1/workflows").status_code for _ in range(3)]
    refused = api.get("/api/v1/workflows")

    assert 429 in {*statuses, refused.status_code}
    assert refused.json()["code"] == "throttled"
    assert 0 < int(refused.headers["Retry-After"]) <= 600
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert client_of(operator).get("/api/v1/workflows").status_code == 200


def test_a_forged_address_does_not_get_round_the_limit(slow: None, db: None):
    answers = [
        Client().get("/api/v1/schema", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code
        for n in range(3)
    ]

    assert answers[-1] == 429


def test_limits_hold_per_process_while_the_cache_is_away(
    slow: None, api: APIClient, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("orchestra.api_limits.caches", {"default": Away()})

    statuses = [api.get("/api/v1/workflows").status_code for _ in range(5)]

    assert statuses[0] == 200
    assert statuses[-1] == 429


class Away:
    """A cache that cannot be reached."""

    def incr(self, *_: Any) -> int:
        raise RedisConnectionError("away")


@pytest.mark.parametrize("given", ["abc-123", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
def test_a_request_id_comes_back(db: None, given: str):
    answer = Client().get("/api/v1/runs", headers={"X-Request-ID": given})

    assert answer.headers["X-Request-ID"] == given
    assert answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 101, "id=1 level=error", "naïve", "{{ x }}"])
def test_a_request_id_that_could_forge_a_log_line_is_replaced(db: None, given: str):
    answer = Client().get("/api/v1/runs", headers={"X-Request-ID": given})

    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 36
