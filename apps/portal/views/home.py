"""The first page: what to do now, what runs, what it cost today."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Greet a person with what matters to them now."""
    return render(request, "portal/home.html")
