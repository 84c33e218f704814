"""How agents stand: one state from what is known of each, in Python for a row and in SQL for many."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.agents.models import Agent, AgentKind

DEGRADED_SUCCESS = 0.5


class AgentState(models.TextChoices):
    """How an agent stands; work goes to those that are online and, after them, to the degraded."""

    ONLINE = "online", _("Online")
    BUSY = "busy", _("Busy")
    DRAINING = "draining", _("Draining")
    DEGRADED = "degraded", _("Degraded")
    OFFLINE = "offline", _("Offline")
    DISABLED = "disabled", _("Disabled")


def silent_since() -> datetime:
    """Return the time after which an agent must have been heard of to be there."""
    return timezone.now() - timedelta(seconds=settings.ORCHESTRA_AGENT_LEASE_SECONDS)


def state_of(agent: Agent) -> AgentState:
    """Return an agent's state; a local agent is there whenever it is enabled."""
    if not agent.is_enabled:
        return AgentState.DISABLED
    if agent.kind == AgentKind.LOCAL:
        return AgentState.ONLINE
    one = agent.presence
    if one.seen_at is None or one.seen_at < silent_since():
        return AgentState.OFFLINE
    if one.is_draining:
        return AgentState.DRAINING
    if one.running >= one.slots:
        return AgentState.BUSY
    return AgentState.DEGRADED if one.trouble or one.success < DEGRADED_SUCCESS else AgentState.ONLINE


def state_in_sql() -> Case:
    """Return the same as an expression over agents."""
    is_bad = ~Q(presence__trouble="") | Q(presence__success__lt=DEGRADED_SUCCESS)
    return Case(
        When(is_enabled=False, then=Value(AgentState.DISABLED.value)),
        When(kind=AgentKind.LOCAL, then=Value(AgentState.ONLINE.value)),
        When(presence__seen_at=None, then=Value(AgentState.OFFLINE.value)),
        When(presence__seen_at__lt=silent_since(), then=Value(AgentState.OFFLINE.value)),
        When(presence__is_draining=True, then=Value(AgentState.DRAINING.value)),
        When(presence__running__gte=F("presence__slots"), then=Value(AgentState.BUSY.value)),
        When(is_bad, then=Value(AgentState.DEGRADED.value)),
        default=Value(AgentState.ONLINE.value),
        output_field=models.CharField(),
    )
