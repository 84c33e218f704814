"""Connections and agents for operators; of a connection's secret only the last four characters are shown."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.rights import as_operator
from apps.agents.actions import update_connection
from apps.agents.models import Agent, Connection
from orchestra.admin import ProductAdmin, ReadOnly, act_on_each, pretty_json


@admin.register(Connection)
class ConnectionAdmin(ReadOnly, ProductAdmin):
    """Connections are edited by their teams: moving one to another address would send its secret there."""

    list_display = ["name", "team", "dialect", "address", "default_model", "hint", "is_default", "is_enabled"]
    list_filter = ["dialect", "is_enabled", "is_default"]
    list_select_related = ["team"]
    search_fields = ["name", "slug", "team__name", "base_url"]
    actions = ["disable", "enable"]
    fields = [
        "name", "slug", "team", "dialect", "address", "default_model", "hint", "is_default", "is_enabled",
        "shown_options", "revision", "created_at", "updated_at",
    ]  # fmt: skip

    @admin.display(description=_("base URL"))
    def address(self, connection: Connection) -> str:
        """Show the address as text, never as a link: a stored `javascript:` must stay inert."""
        return connection.base_url or "–"

    @admin.display(description=_("secret"))
    def hint(self, connection: Connection) -> str:
        return f"…{connection.secret_hint}" if connection.secret_hint else "–"

    @admin.display(description=_("options"))
    def shown_options(self, connection: Connection) -> SafeString:
        return pretty_json(connection.options)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Disable"), permissions=["switch"])
    def disable(self, request: HttpRequest, rows: QuerySet[Connection]) -> None:
        self._switch(request, rows, is_enabled=False)

    @admin.action(description=_("Enable"), permissions=["switch"])
    def enable(self, request: HttpRequest, rows: QuerySet[Connection]) -> None:
        self._switch(request, rows, is_enabled=True)

    def _switch(self, request: HttpRequest, rows: QuerySet[Connection], *, is_enabled: bool) -> None:
        assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
        by = as_operator(request.user)
        act_on_each(
            self,
            request,
            rows,
            lambda row: update_connection(connection=row, by=by, is_enabled=is_enabled),
            _("Enabled") if is_enabled else _("Disabled"),
        )


@admin.register(Agent)
class AgentAdmin(ReadOnly, ProductAdmin):
    list_display = ["name", "team", "kind", "connection", "model", "is_enabled", "updated_at"]
    list_filter = ["kind", "is_enabled"]
    list_select_related = ["team", "connection"]
    search_fields = ["name", "slug", "team__name"]
    fields = [
        "name", "slug", "team", "kind", "description", "instructions", "connection", "model", "shown_options",
        "capabilities", "is_enabled", "revision", "created_at", "updated_at",
    ]  # fmt: skip

    @admin.display(description=_("options"))
    def shown_options(self, agent: Agent) -> SafeString:
        return pretty_json(agent.options)
