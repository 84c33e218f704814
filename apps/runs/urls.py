"""URLs of the run pages, and of starting a workflow (`start_urls`, below the workflow's own address)."""

from __future__ import annotations

from django.urls import path

from apps.runs.views import agents, control, effects, inbox, listing, nodes, page, start

urlpatterns = [
    path("", listing.listing, name="list"),
    path("rows/", listing.rows, name="rows"),
    path("bulk/", listing.bulk, name="bulk"),
    path("<uuid:run_id>/", page.detail, name="detail"),
    path("<uuid:run_id>/state/", page.state, name="state"),
    path("<uuid:run_id>/ending/", page.ending, name="ending"),
    path("<uuid:run_id>/events/", page.events, name="events"),
    path("<uuid:run_id>/cancel/", page.cancel, name="cancel"),
    path("<uuid:run_id>/pause/", control.pause, name="pause"),
    path("<uuid:run_id>/resume/", control.resume, name="resume"),
    path("<uuid:run_id>/fork/", control.fork, name="fork"),
    path("<uuid:run_id>/retry/", control.retry, name="retry"),
    path("<uuid:run_id>/nodes/<str:path>/retry/", control.retry_node, name="retry_node"),
    path("<uuid:run_id>/nodes/<str:path>/", nodes.node, name="node"),
    path("<uuid:run_id>/nodes/<str:path>/effect/", effects.decide, name="decide"),
]
start_urls = [path("<slug:slug>/start/", start.start, name="start")]
agent_urls = [path("<slug:slug>/work/", agents.work, name="agent")]
inbox_urls = [
    path("", inbox.listing, name="list"),
    path("<uuid:approval_id>/decide/", inbox.decide, name="decide"),
]
