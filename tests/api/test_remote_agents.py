"""Remote agents over HTTP: a token, registering, signs of life, health, matches, draining."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

AGENTS = "/api/v1/agents"


@pytest.fixture
def token(api: APIClient) -> str:
    answer = api.post(f"{AGENTS}/tokens", {"name": "Fleet"}, format="json")
    assert answer.status_code == 201, answer.content
    return str(answer.json()["token"])


def register(token: str, **body: Any) -> Any:
    return APIClient().post(
        f"{AGENTS}/register", body, format="json", headers={"Authorization": f"Bearer {token}"}
    )


def test_a_program_registers_beats_and_is_found_healthy(api: APIClient, token: str) -> None:
    made = register(token, name="Translator", capabilities=["translate;languages=de"], slots=2)
    agent = made.json()
    as_agent = {"Authorization": f"Bearer {agent['key']}"}
    beat = APIClient().post(
        f"{AGENTS}/{agent['id']}/heartbeat", {"resources": {"cpu": 0.25}}, format="json", headers=as_agent
    )
    health = api.get(f"{AGENTS}/health?state=online&kind=remote").json()["results"]

    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert beat.json()["state"] == "online"
    assert [(one["slug"], one["state"], one["resources"]) for one in health] == [
        ("translator", "online", {"cpu": 0.25})
    ]
    assert agent["key"] not in api.get(AGENTS).content.decode()


def test_who_can_do_this_is_answered_with_reasons(api: APIClient, token: str) -> None:
    register(token, name="Translator", capabilities=["translate;languages=de"])
    api.post(AGENTS, {"name": "Writer", "capabilities": ["write"]}, format="json")

    asked = api.get(f"{AGENTS}/match", {"require": "translate;languages=de"}).json()

    told = {one["slug"]: (one["can_handle"], one["reasons"]) for one in asked["matches"]}
    assert asked["choice"] is None
    assert told == {"translator": (True, ["It is offline."]), "writer": (False, ["It cannot translate."])}
    assert api.get(f"{AGENTS}/match?require=a;B=1").status_code == 400
    assert api.get(f"{AGENTS}/match?require=a&strategy=best").status_code == 400


def test_an_agent_is_drained_and_taken_back(api: APIClient, token: str) -> None:
    agent = register(token, name="Translator").json()

    drained = api.post(f"{AGENTS}/{agent['id']}/drain", {"draining": True}, format="json")
    local = api.post(AGENTS, {"name": "Writer"}, format="json").json()

    assert drained.json()["state"] == "offline"  # never seen; its draining shows once it is there
    assert api.post(f"{AGENTS}/{local['id']}/drain", {"draining": True}, format="json").status_code == 409


def test_keys_of_the_wrong_kind_open_nothing(api: APIClient, token: str) -> None:
    agent = register(token, name="Translator").json()
    other = register(token, name="Other").json()
    url = f"{AGENTS}/{agent['id']}/heartbeat"

    def beat(bearer: str) -> int:
        client = APIClient()
        return int(
            client.post(url, {}, format="json", headers={"Authorization": f"Bearer {bearer}"}).status_code
        )

    assert register("ort_0123456789ab_" + "x" * 43, name="x").status_code == 401
    assert register(agent["key"], name="x").status_code == 401
    assert beat(token) == 401
    assert beat(other["key"]) == 404
    assert beat(agent["key"]) == 200
    assert APIClient().get(AGENTS, headers={"Authorization": f"Bearer {agent['key']}"}).status_code == 401
