"""Content Security Policy of the admin, whose theme needs what no page of the portal may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

ADMIN_POLICY = {"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]}
"""Alpine evaluates expressions in attributes, and the theme writes its colours into a style element."""

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def admin_policy(get_response: Answer) -> Answer:
    """Middleware: extends the policy on pages of the admin, and nowhere else."""

    def extend(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        match = request.resolver_match
        if match is not None and match.app_name == "admin":
            response.__dict__["_csp_update"] = ADMIN_POLICY
        return response

    if iscoroutinefunction(get_response):
        answer = cast("Callable[[HttpRequest], Awaitable[HttpResponse]]", get_response)

        async def middleware_async(request: HttpRequest) -> HttpResponse:
            return extend(request, await answer(request))

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponse:
        return extend(request, get_response(request))

    return middleware
