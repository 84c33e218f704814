"""Errors on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.http import HttpRequest
from django.test import Client
from rest_framework.exceptions import Throttled, ValidationError
from rest_framework.test import APIClient

from apps.accounts.models import Team
from orchestra.api import problem_json
from orchestra.errors import (
    Conflict,
    InvalidWorkflow,
    LimitReached,
    NotPermitted,
    Problem,
    StaleRevision,
    Unavailable,
)

MEMBERS = {"type", "title", "status", "detail", "code", "problems", "instance", "request_id"}


def answer_to(error: Exception) -> Any:
    request = HttpRequest()
    request.path = "/api/v1/runs"
    request.META["HTTP_X_REQUEST_ID"] = "r-1"
    return problem_json(error, {"request": request})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidWorkflow(), 422, "invalid_workflow"),
        (NotPermitted(), 403, "not_permitted"),
        (Conflict("It has ended."), 409, "conflict"),
        (StaleRevision(), 412, "stale_revision"),
        (LimitReached(retry_after=2.2), 429, "limit_reached"),
        (Unavailable(), 503, "unavailable"),
        (IntegrityError("UNIQUE constraint failed: secret_table.secret_column"), 409, "conflict"),
        (OperationalError("could not connect to server at 10.0.0.5"), 503, "unavailable"),
        (DataError("value too long"), 400, "bad_request"),
        (Throttled(wait=3), 429, "throttled"),
    ],
)
def test_each_error_has_its_status_and_a_stable_code(error: Exception, status: int, code: str):
    answer = answer_to(error)

    assert (answer.status_code, answer.data["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert set(answer.data) == MEMBERS
    assert answer.data["status"] == status
    assert answer.data["instance"] == "/api/v1/runs"
    assert answer.data["request_id"] == "r-1"
    assert "secret" not in str(answer.data)
    assert "10.0.0.5" not in str(answer.data)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (LimitReached(retry_after=2.2), "3"),
        (Throttled(wait=3), "3"),
        (OperationalError(), "5"),
        (Unavailable(), "5"),
    ],
)
def test_what_passes_says_when_to_come_back(error: Exception, seconds: str):
    assert answer_to(error).headers["Retry-After"] == seconds


def test_many_problems_are_listed_at_once():
    error = InvalidWorkflow(
        problems=[Problem("nodes.a", "cycle", "a → a"), Problem("nodes.b.kind", "unknown_kind", "?")]
    )

    assert answer_to(error).data["problems"] == [
        {"path": "nodes.a", "code": "cycle", "message": "a → a"},
        {"path": "nodes.b.kind", "code": "unknown_kind", "message": "?"},
    ]


def test_nested_validation_errors_keep_their_paths():
    error = ValidationError(
        {"items": [{}, {"name": ["Too long."]}], "tags": {1: ["Bad."]}, "non_field_errors": ["No."]}
    )

    found = {(problem["path"], problem["message"]) for problem in answer_to(error).data["problems"]}

    assert found == {("items[1].name", "Too long."), ("tags[1]", "Bad."), ("", "No.")}


def test_an_error_that_nobody_expected_is_left_to_the_server():
    assert answer_to(RuntimeError("boom")) is None


def test_an_unknown_path_under_the_api_is_a_problem_and_elsewhere_a_page(db: None):
    api, page = Client().get("/api/v1/nothing/here"), Client().get("/nothing/here")

    assert api.status_code == page.status_code == 404
    assert api.headers["Content-Type"] == "application/problem+json"
    assert api.json()["code"] == "not_found"
    assert page.headers["Content-Type"].startswith("text/html")


def test_a_failure_of_the_server_says_nothing_but_an_id(
    api: APIClient, team: Team, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2 at /srv/app/secret.py")

    monkeypatch.setattr("apps.runs.api.filtered", fail)
    api.raise_request_exception = False

    answer = api.get("/api/v1/runs", headers={"X-Request-ID": "trace-7"})

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == "trace-7"
    assert b"hunter2" not in answer.content
    assert b"secret.py" not in answer.content


def test_a_method_that_is_not_there_is_named(api: APIClient, team: Team):
    answer = api.put("/api/v1/runs", {}, format="json")

    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


def test_a_form_is_not_json(api: APIClient, team: Team):
    answer = api.generic("POST", "/api/v1/workflows", b"{}", content_type="text/plain")

    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


def test_a_session_without_its_token_against_forgery_changes_nothing(editor: Any):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(editor)

    answer = browser.post("/api/v1/workflows", {"name": "x"}, format="json")

    assert answer.status_code == 403
    assert answer.json()["code"] == "permission_denied"


@pytest.mark.parametrize("path", ["/actuator/health", "/actuator/health/liveness"])
def test_health_answers_to_the_names_of_the_requirements(db: None, path: str):
    assert Client().get(path).json() == Client().get("/health").json()
