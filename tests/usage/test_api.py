"""Usage over HTTP: sums as JSON and CSV, and the calls behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.usage.models import ModelCall

MAY = "since=2026-05-01&until=2026-05-31"
AT = datetime(2026, 5, 2, 23, 30, tzinfo=UTC)


@pytest.fixture
def api(editor: Any) -> APIClient:
    client = APIClient()
    client.force_authenticate(editor)
    return client


def test_usage_by_day_has_every_day_and_the_total(api: APIClient, add_call: Any) -> None:
    add_call(AT, cost="0.5", input_tokens=10, output_tokens=5, seconds=2)
    add_call(AT, cost="0.25", failed=1)

    body = api.get(f"/api/v1/usage?{MAY}&time_zone=Europe/Berlin").json()

    assert (body["group_by"], body["time_zone"], body["currency"]) == ("day", "Europe/Berlin", "USD")
    assert len(body["results"]) == 31
    assert [line["key"] for line in body["results"] if line["calls"]] == ["2026-05-03"]
    assert body["total"] == {
        "key": None, "label": "", "calls": 2, "failed": 1, "runs": 2, "input_tokens": 10, "output_tokens": 5,
        "cost": 0.75, "seconds": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "key"),
    [("model", "m1"), ("workflow", "brief"), ("agent", "=x"), ("user", "ada"), ("connection", "main")],
)
def test_usage_by_anything_else_names_it(by: str, key: str, api: APIClient, add_call: Any) -> None:
    add_call(AT, agent="=x", connection="main", cost="1")

    body = api.get(f"/api/v1/usage?{MAY}&group_by={by}").json()

    assert [(line["key"], line["cost"]) for line in body["results"]] == [(key, 1.0)]


def test_csv_begins_no_formula(api: APIClient, add_call: Any) -> None:
    add_call(AT, agent="=cmd", cost="0.00000012", input_tokens=3)

    answer = api.get(f"/api/v1/usage?{MAY}&group_by=agent", headers={"Accept": "text/csv"})

    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.content.decode().splitlines() == [
        "agent,calls,failed,runs,input_tokens,output_tokens,cost,seconds",
        "'=cmd,1,0,1,3,0,0.00000012,0",
    ]


def test_the_calls_come_in_pages_with_their_prices(api: APIClient, add_call: Any) -> None:
    first, second = add_call(AT, input_price=2.5), add_call(AT, model="m2")

    page = api.get(f"/api/v1/usage/calls?{MAY}&limit=1").json()
    rest = api.get(page["next"]).json()
    narrowed = api.get(f"/api/v1/usage/calls?{MAY}&run={first.run}").json()

    assert [row["id"] for row in page["results"] + rest["results"]] == [second.pk, first.pk]
    assert [(row["input_price"], row["user"]) for row in narrowed["results"]] == [(2.5, "ada")]


@pytest.mark.parametrize(
    "query",
    ["group_by=moon", "since=2026-05-02&until=2026-05-01", "since=1999-01-01", "time_zone=Mars", "x=1"],
)
def test_what_makes_no_sense_is_refused(query: str, api: APIClient) -> None:
    assert api.get(f"/api/v1/usage?{query}").status_code == 400


def test_usage_survives_its_run_and_its_person(api: APIClient, add_call: Any, make_user: Any) -> None:
    leaver = make_user("leaver")
    add_call(AT, user=leaver, cost="1")
    leaver.delete()

    body = api.get(f"/api/v1/usage?{MAY}&group_by=user").json()

    assert [(line["key"], line["cost"]) for line in body["results"]] == [(None, 1.0)]
    assert ModelCall.objects.get().user_id is None
