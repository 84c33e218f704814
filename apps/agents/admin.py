"""Connections and agents for operators; of a connection's secret only the last four characters are shown."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.accounts.rights import as_operator
from apps.agents.actions import close_breaker, drain_agent, switch_agent, update_connection
from apps.agents.models import (
    Ability,
    Agent,
    AgentKind,
    AgentToken,
    Breaker,
    BreakerChange,
    Connection,
    ConnectionKey,
    Presence,
)
from apps.agents.standing import state_of
from orchestra.admin import BigTableAdmin, ProductAdmin, ReadOnly, act_on_each, pretty_json


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
        by = _operator(request)
        act_on_each(
            self,
            request,
            rows,
            lambda row: update_connection(connection=row, by=by, is_enabled=is_enabled),
            _("Enabled") if is_enabled else _("Disabled"),
        )


@admin.register(ConnectionKey)
class ConnectionKeyAdmin(ReadOnly, ProductAdmin):
    """Further keys of connections; their teams edit them."""

    list_display = ["name", "connection", "hint", "weight", "is_enabled", "created_at"]
    list_filter = ["is_enabled"]
    list_select_related = ["connection"]
    search_fields = ["name", "connection__slug"]
    fields = ["connection", "name", "hint", "weight", "is_enabled", "created_at"]

    @admin.display(description=_("secret"))
    def hint(self, key: ConnectionKey) -> str:
        return f"…{key.secret_hint}" if key.secret_hint else "–"


@admin.register(Breaker)
class BreakerAdmin(ReadOnly, ProductAdmin):
    """Circuit breakers that have seen a failure."""

    list_display = ["connection", "team", "state", "until", "reason", "changed_at"]
    list_filter = ["state"]
    list_select_related = ["connection__team"]
    search_fields = ["connection__name", "connection__slug", "connection__team__name"]
    actions = ["close"]
    fields = ["connection", "state", "until", "reason", "shown_counts", "changed_at"]

    @admin.display(description=_("team"))
    def team(self, breaker: Breaker) -> str:
        return str(breaker.connection.team)

    @admin.display(description=_("calls of the last minute"))
    def shown_counts(self, breaker: Breaker) -> SafeString:
        return pretty_json(breaker.counts)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Close"), permissions=["switch"])
    def close(self, request: HttpRequest, rows: QuerySet[Breaker]) -> None:
        assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
        by = as_operator(request.user)
        act_on_each(
            self, request, rows, lambda row: close_breaker(connection=row.connection, by=by), _("Closed")
        )


@admin.register(BreakerChange)
class BreakerChangeAdmin(ReadOnly, BigTableAdmin):
    """What happened to circuit breakers, and who closed one by hand."""

    list_display = ["at", "connection", "before", "after", "reason", "by"]
    list_filter = ["after"]
    list_select_related = ["connection"]
    search_fields = ["=connection__slug"]
    fields = ["connection", "before", "after", "reason", "by", "at"]


@admin.register(Agent)
class AgentAdmin(ReadOnly, ProductAdmin):
    """Agents are edited by their teams; operators see how they stand, drain them and switch them off."""

    list_display = [
        "name",
        "team",
        "kind",
        "state",
        "load",
        "connection",
        "model",
        "is_enabled",
        "updated_at",
    ]
    list_filter = ["kind", "is_enabled"]
    list_select_related = ["team", "connection", "presence"]
    search_fields = ["name", "slug", "team__name"]
    actions = ["disable", "enable", "drain", "undrain"]
    fields = [
        "name", "slug", "team", "kind", "description", "instructions", "connection", "model", "shown_options",
        "capabilities", "state", "load", "is_enabled", "revision", "created_at", "updated_at",
    ]  # fmt: skip

    @admin.display(description=_("options"))
    def shown_options(self, agent: Agent) -> SafeString:
        return pretty_json(agent.options)

    @admin.display(description=_("state"))
    def state(self, agent: Agent) -> str:
        return str(state_of(agent).label)

    @admin.display(description=_("load"))
    def load(self, agent: Agent) -> str:
        is_remote = agent.kind == AgentKind.REMOTE
        return f"{agent.presence.running} / {agent.presence.slots}" if is_remote else "–"

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description=_("Disable"), permissions=["switch"])
    def disable(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        by = _operator(request)
        act_on_each(
            self, request, rows, lambda row: switch_agent(agent=row, is_enabled=False, by=by), _("Disabled")
        )

    @admin.action(description=_("Enable"), permissions=["switch"])
    def enable(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        by = _operator(request)
        act_on_each(
            self, request, rows, lambda row: switch_agent(agent=row, is_enabled=True, by=by), _("Enabled")
        )

    @admin.action(description=_("Drain"), permissions=["switch"])
    def drain(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        by = _operator(request)
        act_on_each(
            self, request, rows, lambda row: drain_agent(agent=row, is_draining=True, by=by), _("Draining")
        )

    @admin.action(description=_("Give work again"), permissions=["switch"])
    def undrain(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        by = _operator(request)
        act_on_each(
            self, request, rows, lambda row: drain_agent(agent=row, is_draining=False, by=by), _("Taken back")
        )


@admin.register(AgentToken)
class AgentTokenAdmin(ReadOnly, ProductAdmin):
    exclude = ["key_hash"]
    list_display = [
        "name",
        "team",
        "prefix",
        "created_by",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    list_select_related = ["team", "created_by"]
    search_fields = ["name", "team__name", "prefix"]


@admin.register(Presence)
class PresenceAdmin(ReadOnly, ProductAdmin):
    list_display = ["agent", "team", "transport", "seen_at", "running", "slots", "is_draining", "trouble"]
    list_select_related = ["agent", "team"]
    search_fields = ["agent__name", "agent__slug", "team__name"]
    exclude = ["key_hash"]


@admin.register(Ability)
class AbilityAdmin(ReadOnly, ProductAdmin):
    list_display = ["name", "agent", "team"]
    list_select_related = ["agent", "team"]
    search_fields = ["=name", "agent__slug"]


def _operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (narrows the type)
    return as_operator(request.user)
