"""HTTP answers of the streams outside Django's middleware: the same security headers, the same problems."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from rest_framework.exceptions import AuthenticationFailed

from apps.accounts.authentication import TokenAuthentication
from apps.runs.live.gate import Send
from orchestra.api import problem, problem_json

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
Headers = list[tuple[bytes, bytes]]


def request_of(scope: Mapping[str, Any]) -> ASGIRequest:
    """Return Django's request for an ASGI scope, with its request id; a WebSocket's as that of its handshake."""
    request = ASGIRequest({"method": "GET", **scope}, BytesIO())
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    request.META["HTTP_X_REQUEST_ID"] = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
    return request


def headers_of(request: ASGIRequest, content_type: str, **more: str) -> Headers:
    """Return the headers of an answer."""
    named = {
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "Vary": "Accept, Authorization, Cookie",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Request-ID": request.META["HTTP_X_REQUEST_ID"],
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    if settings.SECURE_HSTS_SECONDS and request.is_secure():
        named["Strict-Transport-Security"] = (
            f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        )
    return [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in named.items()]


async def refuse(request: ASGIRequest, send: Send, error: Exception) -> None:
    """Answer with the problem that an error is. Raises the error when it is none that anybody expected."""
    if isinstance(error, AuthenticationFailed):
        error.auth_header = TokenAuthentication().authenticate_header(request)  # type: ignore[attr-defined, arg-type]  # as DRF's views do; the argument is not read
    answer = problem_json(error, {"request": request})
    if answer is None:
        await _send_problem(request, send, 500, problem(request, 500, "server_error"), {})
        raise error
    await _send_problem(request, send, answer.status_code, answer.data, dict(answer.headers))


async def _send_problem(
    request: ASGIRequest, send: Send, status: int, body: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    extra = {name: value for name, value in headers.items() if name.lower() not in {"content-type", "vary"}}
    raw = json.dumps(body).encode()
    named = headers_of(request, "application/problem+json", Content_Length=str(len(raw)), **extra)
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": raw})


async def answer_empty(request: ASGIRequest, send: Send, status: HTTPStatus, **headers: str) -> None:
    """Answer without a body."""
    named = headers_of(request, "text/plain", **headers)
    await send({"type": "http.response.start", "status": int(status), "headers": named})
    await send({"type": "http.response.body", "body": b""})
