"""Triggers and what they did, for operators; no secret is shown."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.rights import as_operator
from apps.triggers.actions import update_trigger
from apps.triggers.models import Firing, Trigger
from orchestra.admin import BigTableAdmin, ProductAdmin, ReadOnly, act_on_each, pretty_json


@admin.register(Trigger)
class TriggerAdmin(ReadOnly, ProductAdmin):
    """Triggers are edited by their teams, for whom they act; operators may pause them."""

    list_display = ["name", "team", "kind", "workflow", "is_enabled", "next_at", "last_at", "owner"]
    list_filter = ["kind", "is_enabled"]
    list_select_related = ["team", "workflow", "owner"]
    search_fields = ["name", "team__name", "workflow__name", "workflow__slug"]
    actions = ["pause", "resume"]
    fields = [
        "name", "team", "kind", "workflow", "source", "is_enabled", "shown_settings", "shown_input", "priority",
        "next_at", "last_at", "refused_at", "refused_why", "owner", "revision", "created_at", "updated_at",
    ]  # fmt: skip

    @admin.display(description=_("settings"))
    def shown_settings(self, trigger: Trigger) -> SafeString:
        return pretty_json(trigger.settings)

    @admin.display(description=_("input"))
    def shown_input(self, trigger: Trigger) -> SafeString:
        return pretty_json(trigger.input)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Pause"), permissions=["switch"])
    def pause(self, request: HttpRequest, rows: QuerySet[Trigger]) -> None:
        self._switch(request, rows, is_enabled=False)

    @admin.action(description=_("Resume"), permissions=["switch"])
    def resume(self, request: HttpRequest, rows: QuerySet[Trigger]) -> None:
        self._switch(request, rows, is_enabled=True)

    def _switch(self, request: HttpRequest, rows: QuerySet[Trigger], *, is_enabled: bool) -> None:
        assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
        by = as_operator(request.user)
        act_on_each(
            self,
            request,
            rows,
            lambda row: update_trigger(trigger=row, by=by, is_enabled=is_enabled),
            _("Resumed") if is_enabled else _("Paused"),
        )


@admin.register(Firing)
class FiringAdmin(ReadOnly, BigTableAdmin):
    list_display = ["trigger", "key", "status", "due_at", "at", "run", "detail"]
    list_filter = ["status"]
    list_select_related = ["trigger", "run__workflow"]
    search_fields = ["key", "trigger__name"]
    fields = ["trigger", "key", "status", "due_at", "at", "detail", "run", "source_run"]
