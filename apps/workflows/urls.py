"""URLs of the workflow pages; starting one belongs to the runs, which stand above."""

from __future__ import annotations

from django.urls import path

from apps.workflows.views import designer, editor, pages, versions

urlpatterns = [
    path("", pages.listing, name="list"),
    path("new/", editor.create, name="create"),
    path("<slug:slug>/", pages.detail, name="detail"),
    path("<slug:slug>/about/", pages.about, name="about"),
    path("<slug:slug>/edit/", editor.edit, name="edit"),
    path("<slug:slug>/design/", designer.design, name="design"),
    path("<slug:slug>/design/text/", designer.text, name="design_text"),
    path("<slug:slug>/check/", editor.check, name="check"),
    path("<slug:slug>/duplicate/", pages.duplicate, name="duplicate"),
    path("<slug:slug>/archive/", pages.archive, name="archive"),
    path("<slug:slug>/versions/", versions.versions, name="versions"),
    path("<slug:slug>/versions/<int:number>/", versions.version, name="version"),
    path("<slug:slug>/versions/<int:number>/restore/", versions.restore, name="restore"),
    path("<slug:slug>/diff/", versions.diff, name="diff"),
]
