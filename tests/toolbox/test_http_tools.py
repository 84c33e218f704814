"""Tools of an OpenAPI document: imported, described, tried, kept to their place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import Team, User
from apps.tools.models import ToolServer, ToolUse
from tests.toolbox.conftest import DOCUMENT, SECRET, Weather

TOOLS = "/api/v1/tools"


def call(api: APIClient, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = api.post(f"{TOOLS}/test", {"tool": tool, "arguments": arguments}, format="json")
    assert answer.status_code == 200, answer.json()
    return dict(answer.json())


def test_operations_become_tools_and_those_that_change_something_ask(
    api: APIClient, imported: dict[str, Any]
) -> None:
    found = {tool["name"]: tool for tool in api.get(TOOLS).json()["results"]}

    assert set(found) == {"weather.weather", "weather.forget"}
    assert (found["weather.weather"]["policy"], found["weather.weather"]["is_safe"]) == ("allow", True)
    assert (found["weather.forget"]["policy"], found["weather.forget"]["is_safe"]) == ("ask", False)
    assert imported["has_secret"] is True


def test_a_call_goes_out_with_the_secret_and_is_recorded_with_a_hash_of_its_arguments(
    api: APIClient, imported: dict[str, Any], weather: Weather, editor: User
) -> None:
    result = call(api, "weather.weather", city="a/../b ü", days=3)

    assert result["result"] == {"path": "/cities/a%2F..%2Fb%20%C3%BC?days=3", "method": "GET"}
    assert weather.seen[-1].headers["Authorization"] == f"Bearer {SECRET}"
    assert "Idempotency-Key" in weather.seen[-1].headers
    use = ToolUse.objects.get()
    assert (use.tool, use.state, use.user) == ("weather.weather", "succeeded", editor.pk)
    shown = api.get(f"{TOOLS}/calls").content
    assert SECRET.encode() not in shown
    assert use.digest.encode() in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"city": "x", "days": 8}, "8 is greater"),
        ({}, "missing"),
        ({"city": "x", "else": 1}, "There is no field"),
        ({"city": ".."}, "cannot be"),
    ],
)
def test_arguments_that_do_not_fit_reach_nobody(
    api: APIClient, imported: dict[str, Any], weather: Weather, arguments: dict[str, Any], said: str
) -> None:
    before = len(weather.seen)

    result = call(api, "weather.weather", **arguments)

    assert result["is_ok"] is False
    assert said in result["message"]
    assert len(weather.seen) == before


def test_a_result_that_is_too_large_is_left_out(api: APIClient, imported: dict[str, Any]) -> None:
    result = call(api, "weather.weather", city="huge")

    assert "bytes" in result["result"]


def test_a_quota_is_kept_and_says_so(api: APIClient, imported: dict[str, Any], weather: Weather) -> None:
    url = f"{TOOLS}/servers/{imported['id']}"
    assert api.patch(url, {"calls_per_minute": 1}, format="json").status_code == 200

    first, second = (call(api, "weather.weather", city="x") for _ in range(2))

    assert first["is_ok"] is True
    assert second["code"] == "tool_quota"
    assert sum(request.path == "/cities/x" for request in weather.seen) == 1


def test_a_denied_tool_is_not_called(api: APIClient, imported: dict[str, Any]) -> None:
    tool = api.get(f"{TOOLS}?q=forget").json()["results"][0]
    api.patch(f"{TOOLS}/{tool['id']}", {"policy": "deny"}, format="json")

    assert call(api, "weather.forget", city="x")["code"] == "tool_not_allowed"


def test_the_secret_stays_with_its_host(api: APIClient, imported: dict[str, Any]) -> None:
    url = f"{TOOLS}/servers/{imported['id']}"

    moved = api.patch(url, {"url": "https://elsewhere.example"}, format="json")

    assert moved.status_code in (400, 422)
    assert SECRET.encode() not in api.get(url).content
    assert ToolServer.objects.get().secret != SECRET


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/x", "http://169.254.169.254/", "file:///etc/passwd"])
def test_an_import_cannot_lead_inside(api: APIClient, place: str) -> None:
    fetched = api.post(f"{TOOLS}/import", {"document_url": place}, format="json")
    pasted = api.post(f"{TOOLS}/import", {"document": json.dumps(DOCUMENT), "base_url": place}, format="json")

    assert {fetched.status_code, pasted.status_code} <= {400, 422}
    assert "address_not_allowed" in fetched.content.decode() + pasted.content.decode()
    assert not ToolServer.objects.exists()


def test_another_team_sees_nothing_of_it(
    api: APIClient, imported: dict[str, Any], client_of: Any, make_user: Any
) -> None:
    other = Team.objects.create(name="Others", slug="others")
    stranger = client_of(make_user("mallory", other, "owner"))
    tool = api.get(TOOLS).json()["results"][0]["id"]

    assert stranger.get(TOOLS).json()["results"] == []
    assert stranger.get(f"{TOOLS}/{tool}").status_code == 404
    assert stranger.get(f"{TOOLS}/servers/{imported['id']}").status_code == 404
    assert call(stranger, "weather.weather", city="x")["code"] == "unknown_tool"


def test_the_pages_show_try_and_change_a_tool(
    client: Client, editor: User, imported: dict[str, Any], weather: Weather
) -> None:
    client.force_login(editor)

    listed = client.get("/tools/").content.decode()
    tried = client.post("/tools/called/weather.weather/try/", {"arguments": '{"city": "Oslo"}'})
    saved = client.post("/tools/called/weather.forget/", {"policy": "deny", "is_enabled": "on"})

    assert "weather.weather" in listed
    assert "count_words" in listed
    assert "/cities/Oslo" in tried.content.decode()
    assert saved.status_code == 302
    assert client.get("/tools/servers/weather/").status_code == 200
    assert SECRET not in client.get("/tools/servers/weather/").content.decode()
