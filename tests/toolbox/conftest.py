"""A service beside the tests whose OpenAPI document becomes tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from rest_framework.test import APIClient

from tests.agents.conftest import keys, serve_beside  # noqa: F401  (fixtures)
from tests.api.conftest import api, client_of  # noqa: F401  (fixtures)

SECRET = "tool-secret-0123456789"
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Weather"},
    "paths": {
        "/cities/{city}": {
            "get": {
                "operationId": "weather",
                "description": "The weather of a city.",
                "parameters": [
                    {"name": "city", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "days", "in": "query", "schema": {"type": "integer", "maximum": 7}},
                ],
            },
            "delete": {
                "operationId": "forget",
                "parameters": [
                    {"name": "city", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
            },
        }
    },
}


class Weather:
    """What the service saw."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.url = ""
        self.endpoint = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.path == "/openapi.json":
            return web.json_response(DOCUMENT)
        if request.path.endswith("/huge"):
            return web.json_response({"text": "x" * 400_000})
        return web.json_response({"path": request.raw_path, "method": request.method})


@pytest.fixture
def weather(serve_beside: Any, settings: Any) -> Iterator[Weather]:  # noqa: F811  (a fixture)
    service = Weather()
    with serve_beside(service.answer) as server:
        service.url, service.endpoint = server.url, server.endpoint
        settings.ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset({server.endpoint})
        yield service


@pytest.fixture
def imported(api: APIClient, weather: Weather) -> dict[str, Any]:  # noqa: F811  (a fixture)
    """The service's tools, fetched from it with a secret."""
    body = {"document_url": f"{weather.url}/openapi.json", "secret": SECRET, "slug": "weather"}
    answer = api.post("/api/v1/tools/import", body, format="json")
    assert answer.status_code == 201, answer.json()
    return dict(answer.json())
