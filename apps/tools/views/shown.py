"""What the pages about tools have in common."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def form_page(request: HttpRequest, form: Any, template: str, **more: Any) -> HttpResponse:
    """Show a form, with what is wrong with it."""
    return render(request, template, {"form": form, **more}, status=422 if form.errors else 200)
