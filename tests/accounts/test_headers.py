"""Headers on odd answers: errors, redirects, probes, the admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import path

from apps.accounts.models import User
from orchestra import urls as real
from orchestra.api import bad_request, forbidden, not_found, server_error

handler400, handler403, handler404, handler500 = bad_request, forbidden, not_found, server_error


def explode(request: Any) -> Any:
    raise RuntimeError("a secret that stays in the log")


urlpatterns = [path("explode", explode), path("api/v1/explode", explode), *real.urlpatterns]

ODD = [
    ("get", "/no/such/page'\"<>", 404),
    ("get", "/api/v1/no-such-thing", 404),
    ("get", "/api/v1/me", 401),
    ("post", "/health", 405),
    ("get", "/preferences/", 405),
    ("get", "/health", 200),
    ("get", "/admin/", 302),
    ("get", "/accounts/login/", 200),
    ("get", "/explode", 500),
    ("get", "/api/v1/explode", 500),
]


def visit(method: str, where: str) -> Any:
    client = Client(raise_request_exception=False)
    with override_settings(ROOT_URLCONF=__name__):
        return getattr(client, method)(where)


@pytest.mark.parametrize(("method", "where", "status"), ODD)
def test_odd_answers_carry_the_headers_too(db: None, method: str, where: str, status: int) -> None:
    answer = visit(method, where)

    assert answer.status_code == status
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    policy = answer["Content-Security-Policy"]
    for part in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "connect-src 'self'"):
        assert part in policy
    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize("where", ["/explode", "/api/v1/explode"])
def test_a_failure_tells_nothing_about_the_inside(db: None, where: str) -> None:
    answer = visit("get", where)

    body = answer.content.decode()
    assert not re.search(r"secret|RuntimeError|Traceback|/apps/|Django|Python", body)


def test_no_page_of_the_portal_evaluates_strings(client: Client, db: None) -> None:
    policy = client.get("/accounts/login/")["Content-Security-Policy"]

    assert "unsafe" not in policy


def test_the_admin_alone_may_evaluate(client: Client, make_user: Any) -> None:
    client.force_login(make_user("root", is_staff=True, is_superuser=True))

    admin = client.get("/admin/")["Content-Security-Policy"]

    scripts = next(part for part in admin.split(";") if part.strip().startswith("script-src"))
    assert "'unsafe-eval'" in scripts
    assert "'unsafe-inline'" not in scripts
    assert "frame-ancestors 'none'" in admin


def test_cross_origin_callers_are_not_invited(client: Client, editor: User) -> None:
    client.force_login(editor)

    answers = [
        client.get("/api/v1/me", headers={"Origin": "https://evil.test"}),
        client.options(
            "/api/v1/me", headers={"Origin": "https://evil.test", "Access-Control-Request-Method": "PATCH"}
        ),
    ]

    assert all(not name.lower().startswith("access-control") for answer in answers for name in answer.headers)
