"""URLs of the pages about agents and connections."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.agents import views

agent_urls = (
    [
        path("", views.agent_list, name="list"),
        path("new/", views.agent_create, name="create"),
        path("<slug:slug>/", views.agent_edit, name="edit"),
        path("<slug:slug>/delete/", views.agent_delete, name="delete"),
    ],
    "agents",
)
connection_urls = (
    [
        path("", views.connection_list, name="list"),
        path("new/", views.connection_create, name="create"),
        path("<slug:slug>/", views.connection_edit, name="edit"),
        path("<slug:slug>/test/", views.connection_test, name="test"),
        path("<slug:slug>/delete/", views.connection_delete, name="delete"),
    ],
    "connections",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/", include(agent_urls)),
    path("connections/", include(connection_urls)),
]
