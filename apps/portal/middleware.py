"""Around every page: a person's language and time zone, and errors of actions as pages."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation

from apps.accounts.problems import words
from orchestra.errors import OrchestraError

API_PREFIX = "/api/"


class PreferencesMiddleware:
    """Stands behind authentication: a person's own settings beat the cookie and the browser's wishes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        if request.user.language in dict(settings.LANGUAGES):
            translation.activate(request.user.language)
            request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(zone_of(request.user.time_zone)):
            response = self.get_response(request)
        response.headers["Content-Language"] = translation.get_language() or settings.LANGUAGE_CODE
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Show what an action refused, where a page has not said it by itself; the API has its own words."""
        if not isinstance(error, OrchestraError) or request.path.startswith(API_PREFIX):
            return None
        context = {
            "message": words(error),
            "problems": error.problems,
            "code": error.code,
            "status": error.status,
        }
        return render(request, "problem.html", context, status=error.status)


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of this name, or UTC where it is unknown."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
