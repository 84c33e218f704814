"""The search: a page of its own, and the list in the command palette."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.pages import person_of
from apps.accounts.teams import team_of
from apps.portal.search import find


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """Show what fits `?q=`; with `X-Part: hits` only the list."""
    query = request.GET.get("q", "").strip()
    context = {"query": query, "hits": find(person_of(request), team_of(request), query)}
    is_part = request.headers.get("X-Part") == "hits"
    answer = render(request, "portal/hits.html" if is_part else "portal/search.html", context)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Vary"] = "Cookie, X-Part"
    return answer
