"""URLs of the pages about usage."""

from __future__ import annotations

from django.urls import path

from apps.usage.views import budgets, usage

urlpatterns = [
    path("", usage.page, name="page"),
    path("csv/", usage.spreadsheet, name="csv"),
    path("budgets/", budgets.listing, name="budgets"),
    path("budgets/new/", budgets.create, name="create_budget"),
    path("budgets/<uuid:budget_id>/", budgets.edit, name="edit_budget"),
    path("budgets/<uuid:budget_id>/delete/", budgets.delete, name="delete_budget"),
]
