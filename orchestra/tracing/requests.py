"""Middleware: a span for each request, inside the caller's trace where the caller names one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from orchestra import tracing

QUIET = ("/health", "/ready", "/metrics", "/static/")
"""Asked by machines all the time; a trace of them says nothing."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def request_spans(get_response: Answer) -> Answer:
    """Middleware: named by method and route, so that there are as many names as addresses in the URL configuration."""
    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponse]]", get_response)

        async def middleware_async(request: HttpRequest) -> HttpResponse:
            with _span(request) as span:
                return _note(span, request, await answer(request))

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponse:
        with _span(request) as span:
            return _note(span, request, get_response(request))

    return middleware


def _span(request: HttpRequest) -> Any:
    if request.path.startswith(QUIET):
        return tracing.NOTHING
    method = request.method if request.method in METHODS else "_OTHER"
    given = request.META.get("HTTP_TRACEPARENT", "")
    return tracing.span(str(method), {"http.request.method": str(method)}, kind="server", within=given)


def _note(span: tracing.Span, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    route = f"/{request.resolver_match.route}" if request.resolver_match else ""
    method = request.method if request.method in METHODS else "_OTHER"
    span.name(f"{method} {route}".strip())
    span.note({"http.route": route, "http.response.status_code": response.status_code})
    if response.status_code >= 500:
        span.fail(str(response.status_code))
    return response
