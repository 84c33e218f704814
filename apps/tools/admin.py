"""Tools, their servers and their calls for operators; of a secret only the last four characters are shown."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.tools.models import ToolRow, ToolServer, ToolUse
from orchestra.admin import BigTableAdmin, ProductAdmin, ReadOnly, pretty_json


@admin.register(ToolServer)
class ToolServerAdmin(ReadOnly, ProductAdmin):
    """Servers are edited by their teams: moving one to another address would send its secret there."""

    list_display = ["name", "team", "kind", "address", "protocol", "is_enabled", "read_at"]
    list_filter = ["kind", "is_enabled"]
    list_select_related = ["team"]
    search_fields = ["name", "slug", "team__name", "url"]
    fields = [
        "name", "slug", "team", "kind", "address", "program", "hint", "secret_header", "calls_per_minute",
        "calls_per_day", "is_enabled", "protocol", "read_at", "revision", "created_at", "updated_at",
    ]  # fmt: skip

    @admin.display(description=_("address"))
    def address(self, server: ToolServer) -> str:
        """Show the address as text, never as a link."""
        return server.url or server.program or "–"

    @admin.display(description=_("secret"))
    def hint(self, server: ToolServer) -> str:
        return f"…{server.secret_hint}" if server.secret_hint else "–"


@admin.register(ToolRow)
class ToolAdmin(ReadOnly, ProductAdmin):
    list_display = ["name", "team", "kind", "policy", "is_safe", "is_enabled", "updated_at"]
    list_filter = ["kind", "policy", "is_enabled"]
    list_select_related = ["team"]
    search_fields = ["name", "title", "team__name"]
    fields = [
        "name", "team", "server", "kind", "title", "description", "arguments", "policy", "is_safe", "is_enabled",
        "is_served", "proposed", "revision", "created_at", "updated_at",
    ]  # fmt: skip

    @admin.display(description=_("arguments"))
    def arguments(self, tool: ToolRow) -> SafeString:
        return pretty_json(tool.schema)

    @admin.display(description=_("offered now"))
    def proposed(self, tool: ToolRow) -> SafeString:
        return pretty_json(tool.offered)


@admin.register(ToolUse)
class ToolUseAdmin(ReadOnly, BigTableAdmin):
    """The record of calls; nobody edits it."""

    list_display = ["at", "tool", "team", "state", "code", "seconds", "run", "path"]
    list_filter = ["state"]
    list_select_related = ["team"]
    search_fields = ["tool", "run", "digest"]
    fields = [
        "at", "team", "server", "tool", "state", "code", "seconds", "run", "path", "attempt", "user", "digest",
    ]  # fmt: skip
