"""Connections and agents over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import Team, User
from apps.agents.actions import breakers
from apps.agents.models import Agent, Connection
from orchestra.llm.breaker import BreakerRules

CONNECTIONS = "/api/v1/connections"
AGENTS = "/api/v1/agents"
SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def connection(api: APIClient, team: Team) -> dict[str, Any]:
    body = {
        "name": "Provider",
        "dialect": "openai",
        "base_url": "https://llm.example.org/v1",
        "secret": SECRET,
    }
    answer = api.post(CONNECTIONS, body, format="json")
    assert answer.status_code == 201, answer.json()
    return dict(answer.json())


def test_a_secret_goes_in_and_never_comes_out(api: APIClient, connection: dict[str, Any]):
    url = f"{CONNECTIONS}/{connection['id']}"
    answers = [
        api.get(url),
        api.get(CONNECTIONS),
        api.get(f"{CONNECTIONS}?q=prov"),
        api.patch(url, {"name": "Renamed"}, format="json"),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert SECRET.encode() not in answer.content
        assert Connection.objects.get().secret.encode() not in answer.content
    assert answers[0].json()["secret_hint"] == "cdef"
    assert answers[0].json()["has_secret"] is True


def test_sending_the_mask_back_keeps_the_secret_and_an_empty_one_removes_it(
    api: APIClient, connection: dict[str, Any]
):
    url = f"{CONNECTIONS}/{connection['id']}"

    kept = api.patch(url, {"secret": "••••cdef"}, format="json").json()
    removed = api.patch(url, {"secret": ""}, format="json").json()

    assert (kept["has_secret"], kept["secret_hint"]) == (True, "cdef")
    assert (removed["has_secret"], removed["secret_hint"]) == (False, "")


def test_a_secret_does_not_follow_to_another_host(api: APIClient, connection: dict[str, Any]):
    answer = api.patch(
        f"{CONNECTIONS}/{connection['id']}", {"base_url": "https://evil.example.com/v1"}, format="json"
    )

    assert answer.status_code == 422
    assert answer.json()["problems"][0]["path"] == "secret"


def test_two_people_who_edit_at_once_do_not_overwrite_each_other(api: APIClient, connection: dict[str, Any]):
    url = f"{CONNECTIONS}/{connection['id']}"
    tag = api.get(url).headers["ETag"]

    first = api.patch(url, {"name": "Mine"}, format="json", headers={"If-Match": tag})
    second = api.patch(url, {"name": "Yours"}, format="json", headers={"If-Match": tag})

    assert (first.status_code, second.status_code) == (200, 412)
    assert api.get(url).json()["name"] == "Mine"


@pytest.mark.parametrize("field", ["id", "team", "revision", "secret_hint", "created_at", "is_admin"])
def test_fields_that_are_not_yours_to_set_are_refused(api: APIClient, connection: dict[str, Any], field: str):
    answer = api.patch(f"{CONNECTIONS}/{connection['id']}", {field: 1}, format="json")

    assert answer.status_code == 400
    assert answer.json()["problems"] == [
        {"path": field, "code": "unknown_field", "message": "There is no such field, or it cannot be set."}
    ]


def test_a_simulated_connection_answers_the_test(api: APIClient, team: Team):
    made = api.post(CONNECTIONS, {"name": "Simulated", "dialect": "simulated"}, format="json").json()

    answer = api.post(f"{CONNECTIONS}/{made['id']}/test")

    assert answer.status_code == 200
    assert answer.json()["is_ok"] is True
    assert answer.json()["models"]


def test_a_connection_that_leads_inside_says_so(api: APIClient, team: Team):
    body = {"name": "Inside", "dialect": "openai", "base_url": "http://169.254.169.254/v1", "secret": SECRET}
    made = api.post(CONNECTIONS, body, format="json")

    if made.status_code == 201:
        tested = api.post(f"{CONNECTIONS}/{made.json()['id']}/test").json()
        assert tested["is_ok"] is False
        assert tested["code"] == "address_not_allowed"
    else:
        assert made.status_code == 422


def test_a_connection_that_agents_use_stays(api: APIClient, connection: dict[str, Any]):
    agent = api.post(AGENTS, {"name": "Writer", "connection": "provider"}, format="json").json()

    refused = api.delete(f"{CONNECTIONS}/{connection['id']}")
    api.delete(f"{AGENTS}/{agent['id']}")
    done = api.delete(f"{CONNECTIONS}/{connection['id']}")

    assert (refused.status_code, done.status_code) == (409, 204)
    assert not Connection.objects.exists()


def test_an_agent_is_made_changed_and_deleted(api: APIClient, connection: dict[str, Any]):
    body = {
        "name": "Critic",
        "instructions": "Be fair.",
        "connection": connection["slug"],
        "model": "m-1",
        "options": {"temperature": 0.2},
        "capabilities": ["review"],
    }

    made = api.post(AGENTS, body, format="json")
    url = made.headers["Location"]
    changed = api.patch(
        url, {"connection": None, "model": "m-2"}, format="json", headers={"If-Match": made.headers["ETag"]}
    )

    assert made.status_code == 201
    assert {key: made.json()[key] for key in body} == body
    assert (changed.json()["connection"], changed.json()["model"]) == (None, "m-2")
    assert [row["name"] for row in api.get(f"{AGENTS}?q=crit").json()["results"]] == ["Critic"]
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404
    assert not Agent.objects.exists()


def test_an_agent_takes_no_connection_of_another_team(
    api: APIClient, client_of: Any, stranger: User, connection: dict[str, Any]
):
    for key in (connection["id"], connection["slug"]):
        answer = client_of(stranger).post(AGENTS, {"name": "Thief", "connection": key}, format="json")

        assert answer.status_code == 422
        assert answer.json()["problems"][0]["path"] == "connection"


def test_a_breaker_is_shown_with_its_history_and_can_be_closed(api: APIClient, connection: dict[str, Any]):
    url = f"{CONNECTIONS}/{connection['id']}"
    breakers.report_calls(
        connection_id=connection["id"],
        rules=BreakerRules(),
        succeeded=0,
        failed=5,
        reason="It is away.",
        by="w1",
    )

    shown = api.get(url).json()["breaker"]
    closed = api.post(f"{url}/breaker/close").json()["breaker"]
    history = api.get(f"{url}/breaker").json()["results"]

    assert (connection["breaker"], shown["state"], shown["reason"]) == (None, "open", "It is away.")
    assert (closed["state"], closed["until"]) == ("closed", None)
    assert [(one["before"], one["after"]) for one in history] == [("open", "closed"), ("closed", "open")]


def test_further_keys_go_in_and_never_come_out(api: APIClient, connection: dict[str, Any]):
    url = f"{CONNECTIONS}/{connection['id']}/keys"

    added = api.post(url, {"name": "second", "secret": SECRET, "weight": 2}, format="json")
    changed = api.patch(f"{url}/{added.json()['id']}", {"weight": 3}, format="json")
    listed = api.get(url)
    removed = api.delete(f"{url}/{added.json()['id']}")

    assert (added.status_code, changed.json()["weight"], removed.status_code) == (201, 3.0, 204)
    assert [one["secret_hint"] for one in listed.json()["results"]] == ["cdef"]
    assert all(SECRET.encode() not in answer.content for answer in (added, changed, listed))
