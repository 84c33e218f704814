"""Budgets on pages and over HTTP: owners make them, everybody sees how they stand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import Role
from apps.usage.models import Budget

GIVEN = {"name": "Month", "amount": "10", "warn_percent": 50, "when_spent": "pause"}


@pytest.fixture
def owner(make_user: Any, team: Any) -> Any:
    return make_user("olga", team, Role.OWNER, time_zone="Asia/Tokyo")


@pytest.fixture
def api(owner: Any) -> APIClient:
    client = APIClient()
    client.force_authenticate(owner)
    return client


def test_a_budget_is_made_read_changed_and_deleted(api: APIClient, add_call: Any) -> None:
    add_call(cost="2.5")

    made = api.post("/api/v1/budgets", GIVEN, format="json")
    url = made.headers["Location"]
    assert (made.status_code, made.json()["spent"], made.json()["time_zone"]) == (201, 2.5, "Asia/Tokyo")
    assert api.get("/api/v1/budgets").json()["results"] == [made.json()]

    changed = api.patch(url, {"amount": "20"}, format="json", headers={"If-Match": made.headers["ETag"]})
    stale = api.patch(url, {"amount": "30"}, format="json", headers={"If-Match": made.headers["ETag"]})

    assert (changed.json()["amount"], stale.status_code) == (20.0, 412)
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"scope": "workflow", "subject": "nowhere"}, "subject"),
        ({"when_spent": "degrade"}, "fallback_model"),
        ({"when_spent": "degrade", "fallback_connection": "x"}, "fallback_connection"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"scope": "user", "subject": "eve"}, "subject"),
        ({"warn_percent": 101}, "warn_percent"),
        ({"moon": 1}, "moon"),
    ],
)
def test_what_makes_no_sense_is_named(wrong: Any, field: str, api: APIClient) -> None:
    answer = api.post("/api/v1/budgets", {**GIVEN, **wrong}, format="json")

    assert answer.status_code in (400, 422)
    assert [problem["path"] for problem in answer.json()["problems"]] == [field]


def test_editors_see_budgets_and_may_not_change_them(api: APIClient, editor: Any) -> None:
    url = api.post("/api/v1/budgets", {**GIVEN, "scope": "user", "subject": "ada"}, format="json").headers[
        "Location"
    ]
    theirs = APIClient()
    theirs.force_authenticate(editor)

    assert theirs.get(url).json()["subject"] == "ada"
    assert theirs.post("/api/v1/budgets", GIVEN, format="json").status_code == 403
    assert theirs.patch(url, {"amount": "1"}, format="json").status_code == 403
    assert theirs.delete(url).status_code == 403


def test_budgets_of_other_teams_are_not_there(api: APIClient, make_user: Any) -> None:
    url = api.post("/api/v1/budgets", GIVEN, format="json").headers["Location"]
    stranger = APIClient()
    stranger.force_authenticate(make_user("eve"))

    assert stranger.get(url).status_code == 404
    assert stranger.delete(url).status_code == 404


def test_an_owner_makes_and_changes_a_budget_on_the_pages(client: Client, owner: Any, add_call: Any) -> None:
    client.force_login(owner)
    form = {**GIVEN, "scope": "team", "unit": "cost", "span": "total", "time_zone": "UTC", "is_enabled": "on"}

    refused = client.post("/usage/budgets/new/", {**form, "scope": "agent", "subject": "nobody"})
    answer = client.post("/usage/budgets/new/", form)
    add_call(cost="4")
    budget = Budget.objects.get()
    page = " ".join(client.get("/usage/budgets/").content.decode().split())

    assert "The team has none of this name." in refused.content.decode()
    assert answer.status_code == 302
    assert f'data-budget-id="{budget.pk}" data-percent="40"' in page
    client.post(f"/usage/budgets/{budget.pk}/", {**form, "amount": "8"})
    budget.refresh_from_db()
    assert budget.amount == Decimal(8)
    client.post(f"/usage/budgets/{budget.pk}/delete/")
    assert not Budget.objects.exists()
