"""Programs elsewhere that work as agents: what lets them in, how each stands, and what it can do."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from orchestra.ids import new_id


class Transport(models.TextChoices):
    """How a remote agent is connected."""

    HTTP = "http", _("HTTP")
    WEBSOCKET = "websocket", _("WebSocket")
    GRPC = "grpc", _("gRPC")


class AgentToken(models.Model):
    """Lets programs register as agents of a team; shown once, stored as a hash."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="agent_tokens", verbose_name=_("team"))
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    capabilities = models.JSONField(_("capabilities"), default=list, blank=True)
    """Names that agents may register with; empty: any."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("registration token")
        verbose_name_plural = _("registration tokens")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Presence(models.Model):
    """How a remote agent stands: its key, its last sign of life, its slots, and what it has done so far."""

    agent = models.OneToOneField(
        "agents.Agent", models.CASCADE, primary_key=True, related_name="presence", verbose_name=_("agent")
    )
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    token = models.ForeignKey(
        AgentToken, models.SET_NULL, null=True, related_name="agents", verbose_name=_("registration token")
    )
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    transport = models.CharField(_("transport"), max_length=10, choices=Transport, default=Transport.HTTP)
    version = models.CharField(_("version"), max_length=80, blank=True)
    registered_at = models.DateTimeField(_("registered at"), default=timezone.now)
    seen_at = models.DateTimeField(_("seen at"), null=True, blank=True)
    slots = models.PositiveIntegerField(_("slots"), default=1)
    """How many assignments it takes at once."""
    running = models.PositiveIntegerField(_("running"), default=0)
    """Assignments that it holds."""
    is_draining = models.BooleanField(_("draining"), default=False)
    """It finishes what it has and gets nothing new."""
    trouble = models.CharField(_("trouble"), max_length=200, blank=True)
    """Why it says that it works less well than it should."""
    given_at = models.DateTimeField(_("last given work at"), null=True, blank=True)
    done = models.PositiveBigIntegerField(_("done"), default=0)
    failed = models.PositiveBigIntegerField(_("failed"), default=0)
    latency_seconds = models.FloatField(_("latency in seconds"), null=True, blank=True)
    """Exponentially weighted mean of what an assignment takes."""
    success = models.FloatField(_("success"), default=1.0)
    """Exponentially weighted share of assignments that it did, 0 to 1."""
    resources = models.JSONField(_("resources"), default=dict, blank=True)
    """What it last reported: `{cpu, memory, disk, network_in, network_out}`."""

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("presence")
        verbose_name_plural = _("presences")
        indexes = [models.Index(fields=["team", "seen_at"], name="presence_team_seen")]

    def __str__(self) -> str:
        return str(self.agent_id)


class Ability(models.Model):
    """One name among an agent's capabilities: the index by which agents are found."""

    id = models.BigAutoField(primary_key=True)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    agent = models.ForeignKey(
        "agents.Agent", models.CASCADE, related_name="abilities", verbose_name=_("agent")
    )
    name = models.CharField(_("name"), max_length=60)

    class Meta:
        verbose_name = _("ability")
        verbose_name_plural = _("abilities")
        constraints = [models.UniqueConstraint(fields=["agent", "name"], name="ability_unique")]
        indexes = [models.Index(fields=["team", "name", "agent"], name="ability_by_name")]

    def __str__(self) -> str:
        return self.name
