"""URLs of the pages about usage."""

from __future__ import annotations

from django.urls import path

from apps.usage.views import usage

urlpatterns = [
    path("", usage.page, name="page"),
    path("csv/", usage.spreadsheet, name="csv"),
]
