"""URLs of the pages about agents and connections."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.agents.views import agents, connections, remote

agent_urls = (
    [
        path("", agents.listing, name="list"),
        path("new/", agents.create, name="create"),
        path("remote/", remote.add, name="remote"),
        path("remote/revoke/", remote.revoke, name="revoke"),
        path("<slug:slug>/", agents.edit, name="edit"),
        path("<slug:slug>/control/", remote.control, name="control"),
        path("<slug:slug>/delete/", agents.delete, name="delete"),
    ],
    "agents",
)
connection_urls = (
    [
        path("", connections.listing, name="list"),
        path("new/", connections.create, name="create"),
        path("<slug:slug>/", connections.edit, name="edit"),
        path("<slug:slug>/test/", connections.test, name="test"),
        path("<slug:slug>/breaker/close/", connections.close_breaker, name="close_breaker"),
        path("<slug:slug>/keys/", connections.add_key, name="add_key"),
        path("<slug:slug>/keys/<uuid:key_id>/remove/", connections.remove_key, name="remove_key"),
        path("<slug:slug>/default/", connections.make_default, name="default"),
        path("<slug:slug>/delete/", connections.delete, name="delete"),
    ],
    "connections",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/", include(agent_urls)),
    path("connections/", include(connection_urls)),
]
