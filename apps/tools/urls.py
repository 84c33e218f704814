"""URLs of the pages about tools."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from apps.tools import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.listing, name="list"),
    path("import/", views.import_openapi, name="import"),
    path("workflow/", views.add_workflow, name="workflow"),
    path("servers/<slug:slug>/", views.server, name="server"),
    path("servers/<slug:slug>/delete/", views.delete_server, name="delete_server"),
    path("called/<str:name>/", views.detail, name="tool"),
    path("called/<str:name>/try/", views.try_tool, name="try"),
    path("called/<str:name>/delete/", views.delete, name="delete"),
]
