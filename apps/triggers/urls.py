"""URLs of the pages about triggers, and of the forms that people fill in."""

from __future__ import annotations

from django.urls import path

from apps.triggers.views import forms, triggers

urlpatterns = [
    path("", triggers.listing, name="list"),
    path("new/", triggers.create, name="create"),
    path("preview/", triggers.preview, name="preview"),
    path("<uuid:trigger_id>/", triggers.edit, name="edit"),
    path("<uuid:trigger_id>/history/", triggers.history, name="history"),
    path("<uuid:trigger_id>/switch/", triggers.switch, name="switch"),
    path("<uuid:trigger_id>/rotate/", triggers.rotate, name="rotate"),
    path("<uuid:trigger_id>/delete/", triggers.delete, name="delete"),
]
form_urls = [path("<str:public_id>", forms.fill_in, name="form")]
