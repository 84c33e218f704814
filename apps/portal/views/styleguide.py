"""The style guide: every component in every form, in the theme and language of the reader."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def styleguide(request: HttpRequest) -> HttpResponse:
    """Show the components; the page needs no login and reads nothing."""
    return render(request, "portal/styleguide.html")
