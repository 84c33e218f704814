"""URLs of the pages about tools."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from apps.tools.views import servers, tools

urlpatterns: list[URLPattern | URLResolver] = [
    path("", tools.listing, name="list"),
    path("import/", tools.import_openapi, name="import"),
    path("workflow/", tools.add_workflow, name="workflow"),
    path("servers/<slug:slug>/", servers.server, name="server"),
    path("connect/", servers.connect, name="connect"),
    path("servers/<slug:slug>/test/", servers.test, name="test_server"),
    path("servers/<slug:slug>/delete/", servers.delete_server, name="delete_server"),
    path("called/<str:name>/", tools.detail, name="tool"),
    path("called/<str:name>/try/", tools.try_tool, name="try"),
    path("called/<str:name>/accept/", tools.accept, name="accept"),
    path("called/<str:name>/delete/", tools.delete, name="delete"),
]
