"""URLs of the run pages, and of starting a workflow (`start_urls`, below the workflow's own address)."""

from __future__ import annotations

from django.urls import path

from apps.runs.views import listing, nodes, page, start

urlpatterns = [
    path("", listing.listing, name="list"),
    path("rows/", listing.rows, name="rows"),
    path("cancel/", listing.bulk_cancel, name="bulk_cancel"),
    path("<uuid:run_id>/", page.detail, name="detail"),
    path("<uuid:run_id>/state/", page.state, name="state"),
    path("<uuid:run_id>/ending/", page.ending, name="ending"),
    path("<uuid:run_id>/events/", page.events, name="events"),
    path("<uuid:run_id>/cancel/", page.cancel, name="cancel"),
    path("<uuid:run_id>/nodes/<str:path>/", nodes.node, name="node"),
]
start_urls = [path("<slug:slug>/start/", start.start, name="start")]
