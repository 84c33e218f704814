"""Signals over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.runs.actions import start_run
from apps.runs.models import Run

WAITS: dict[str, Any] = {"orchestra": 1, "nodes": {"go": {"kind": "wait", "settings": {"signal": "go"}}}}


@pytest.fixture
def run(publish_workflow: Any, editor: User) -> Run:
    return start_run(workflow=publish_workflow(WAITS), input={}, by=editor)


def test_a_signal_that_nothing_waits_for_yet_is_kept(api: APIClient, run: Run) -> None:
    answer = api.post(f"/api/v1/runs/{run.pk}/signals/go", {"x": [1]}, format="json")

    assert (answer.status_code, answer.json()) == (200, {"name": "go", "woken": [], "is_kept": True})
    assert run.signals.get().payload == {"x": [1]}
    assert run.events.last().type == "signal.received"


def test_a_signal_needs_no_payload(api: APIClient, run: Run) -> None:
    assert api.post(f"/api/v1/runs/{run.pk}/signals/go").status_code == 200
    assert run.signals.get().payload in (None, {})


def test_a_repeated_request_with_a_key_is_one_signal(api: APIClient, run: Run) -> None:
    for _ in range(2):
        api.post(f"/api/v1/runs/{run.pk}/signals/go", 1, format="json", headers={"Idempotency-Key": "k"})

    assert run.signals.count() == 1


def test_a_bad_name_is_a_problem(api: APIClient, run: Run) -> None:
    answer = api.post(f"/api/v1/runs/{run.pk}/signals/two words", 1, format="json")

    assert (answer.status_code, answer.json()["problems"][0]["path"]) == (422, "name")


def test_another_teams_run_hears_nothing(client_of: Any, stranger: User, run: Run) -> None:
    answer = client_of(stranger).post(f"/api/v1/runs/{run.pk}/signals/go", 1, format="json")

    assert answer.status_code == 404
    assert not run.signals.exists()
