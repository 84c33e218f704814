"""What the admin pages of every app build on: the theme, cheap lists, history that nobody edits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator

from orchestra.errors import OrchestraError

LONGEST_JSON = 20_000
"""Characters of a JSON value that a page shows; the API has all of it."""


class ProductAdmin(ModelAdmin):  # type: ignore[misc]  # the theme is untyped
    """A list that stays cheap: no count of everything, rows with their relations in one query."""

    show_full_result_count = False
    list_per_page = 50
    warn_unsaved_form = True
    compressed_fields = True


class BigTableAdmin(ProductAdmin):
    """A list over a table without bounds: pages without any count, newest first, no other sorting."""

    paginator = InfinitePaginator
    ordering = ["-pk"]
    sortable_by: Sequence[str] = ()


class ReadOnly:
    """Mixin: history. Operators look at it; nobody adds, changes or deletes, superusers included."""

    def has_add_permission(self, request: HttpRequest, *objects: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class HistoryInline(ReadOnly, TabularInline):  # type: ignore[misc]  # the theme is untyped
    """Rows of history on the page of what they belong to."""

    extra = 0
    tab = True
    show_change_link = True


def pretty_json(value: Any) -> SafeString:
    """Show a JSON value as text, escaped and cut at `LONGEST_JSON` characters."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if len(text) > LONGEST_JSON:
        text = f"{text[:LONGEST_JSON]}…"
    return format_html('<pre class="whitespace-pre-wrap break-words text-xs">{}</pre>', text)


def act_on_each(
    page: ModelAdmin, request: HttpRequest, rows: QuerySet[Any], act: Any, done: str | Promise
) -> None:
    """Call `act(row)` for every chosen row and say how many went well and why the others did not."""
    count = 0
    for row in rows:
        try:
            act(row)
        except OrchestraError as error:
            page.message_user(request, f"{row}: {error.message}", messages.WARNING)
        else:
            count += 1
            page.log_change(request, row, str(done))
    if count:
        page.message_user(request, f"{done}: {count}", messages.SUCCESS)
