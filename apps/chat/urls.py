"""URLs of the chat."""

from __future__ import annotations

from django.urls import path

from apps.chat.views import acting, pages, trying

urlpatterns = [
    path("", pages.listing, name="list"),
    path("render/", pages.rendered, name="render"),
    path("shared/<str:share_id>/", pages.shared, name="shared"),
    path("<uuid:conversation_id>/", pages.show, name="show"),
    path("<uuid:conversation_id>/log/", pages.log, name="log"),
    path("<uuid:conversation_id>/export/", pages.export, name="export"),
    path("<uuid:conversation_id>/send/", acting.send, name="send"),
    path("<uuid:conversation_id>/stop/", acting.stop, name="stop"),
    path("<uuid:conversation_id>/change/", acting.change, name="change"),
    path("<uuid:conversation_id>/share/", acting.share, name="share"),
    path("<uuid:conversation_id>/delete/", acting.delete, name="delete"),
    path("<uuid:conversation_id>/<uuid:message_id>/regenerate/", acting.regenerate, name="regenerate"),
    path("<uuid:conversation_id>/<uuid:message_id>/edit/", acting.edit, name="edit"),
]
agent_urls = [path("<slug:slug>/try/", trying.bench, name="agent")]
