"""How often: a rate per person with `RateLimit-*` headers; and the request id that every answer carries."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
from asgiref.sync import iscoroutinefunction
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # DRF's views read the settings, which name this module
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WINDOWS_PER_PERIOD = 6
"""A period of a minute or more is counted in sixths, so that a flood is stopped early and released early."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

_local = LocMemCache("rate-limits", {})
"""Counts of this process, for the time in which the shared cache is away: limits then hold per process."""


class RateThrottle(BaseThrottle):
    """Counts requests per person (per address for strangers) in fixed windows of the cache.

    Rates are those of `DEFAULT_THROTTLE_RATES`: `user` for people and keys, `anon` for strangers.
    """

    def __init__(self) -> None:
        self._wait = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        is_known = bool(request.user and request.user.is_authenticated)
        rates: Any = api_settings.DEFAULT_THROTTLE_RATES
        limit, seconds = window_of(rates["user"] if is_known else rates.get("anon", rates["user"]))
        who = f"user:{request.user.pk}" if is_known else f"address:{self.get_ident(request)}"
        now = time.time()
        window = int(now // seconds)
        count = _count(f"rate:{who}:{window}", int(seconds * 2))
        self._wait = (window + 1) * seconds - now
        request._request.rate_limit = {  # type: ignore[attr-defined]  # read by `request_headers` on the way out
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(max(0, limit - count)),
            "RateLimit-Reset": str(math.ceil(self._wait)),
            "RateLimit-Policy": f"{limit};w={int(seconds)}",
        }
        return count <= limit

    def wait(self) -> float:
        return self._wait


def is_within_rate(request: HttpRequest, what: str, per_address: str, for_all: str) -> bool:
    """Count a request of a stranger to something, and say whether its address and all together may go on."""
    address = BaseThrottle().get_ident(request)  # type: ignore[arg-type]  # it reads META only
    now = time.time()
    for who, rate in ((address, per_address), ("all", for_all)):
        limit, seconds = window_of(rate)
        if _count(f"rate:{what}:{who}:{int(now // seconds)}", int(seconds * 2)) > limit:
            return False
    return True


def window_of(rate: str) -> tuple[int, float]:
    """Return (requests, seconds) of one window of a rate such as `6000/min`."""
    number, _, period = rate.partition("/")
    seconds = PERIODS[period[0]]
    if seconds < 60:
        return int(number), seconds
    return math.ceil(int(number) / WINDOWS_PER_PERIOD), seconds / WINDOWS_PER_PERIOD


def _count(key: str, seconds: int) -> int:
    try:
        return _increment(caches["default"], key, seconds)
    except (RedisError, OSError) as error:
        log.warning("rate_limit_cache_away", error=type(error).__name__)
        return _increment(_local, key, seconds)


def _increment(cache: BaseCache, key: str, seconds: int) -> int:
    try:
        return cache.incr(key)
    except ValueError:  # the first of its window
        if cache.add(key, 1, seconds):
            return 1
    try:
        return cache.incr(key)
    except ValueError:  # it expired between the calls
        cache.set(key, 1, seconds)
        return 1


@sync_and_async_middleware
def request_headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware: gives each request an id (the caller's, when it is well formed), and answers with it.

    It stands first, because everything that logs reads the id from `X-Request-ID`.
    """

    def prepare(request: HttpRequest) -> str:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        request.META["HTTP_X_REQUEST_ID"] = request_id
        return request_id

    def finish(request: HttpRequest, response: HttpResponse, request_id: str) -> HttpResponse:
        response.headers["X-Request-ID"] = request_id
        for name, value in getattr(request, "rate_limit", {}).items():
            response.headers[name] = value
        return response

    if iscoroutinefunction(get_response):
        answer: Callable[[HttpRequest], Awaitable[HttpResponse]] = get_response

        async def middleware_async(request: HttpRequest) -> HttpResponse:
            request_id = prepare(request)
            return finish(request, await answer(request), request_id)

        return middleware_async

    def middleware(request: HttpRequest) -> HttpResponse:
        request_id = prepare(request)
        return finish(request, get_response(request), request_id)

    return middleware
