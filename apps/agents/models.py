"""With what: connections to model providers, and agents."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from apps.agents.breakers import Breaker as Breaker
from apps.agents.breakers import BreakerChange as BreakerChange
from apps.agents.breakers import BreakerState as BreakerState
from apps.agents.connection_keys import ConnectionKey as ConnectionKey
from apps.agents.remote import Ability as Ability
from apps.agents.remote import AgentToken as AgentToken
from apps.agents.remote import Presence as Presence
from apps.agents.remote import Transport as Transport
from orchestra.ids import new_id


class Dialect(models.TextChoices):
    """How a provider is spoken to."""

    OPENAI = "openai", _("OpenAI-compatible")
    RESPONSES = "responses", _("OpenAI responses")
    ANTHROPIC = "anthropic", _("Anthropic")
    GEMINI = "gemini", _("Gemini")
    OLLAMA = "ollama", _("Ollama")
    SIMULATED = "simulated", _("Simulated model")
    GROUP = "group", _("Group of connections")


class Connection(models.Model):
    """A model provider: where it is, how it is spoken to, and the secret that opens it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="connections", verbose_name=_("team"))
    slug = models.SlugField(_("short name"), max_length=80)
    name = models.CharField(_("name"), max_length=80)
    dialect = models.CharField(_("dialect"), max_length=20, choices=Dialect)
    base_url = models.URLField(_("base URL"), max_length=500, blank=True)
    secret = models.TextField(blank=True, editable=False)
    secret_hint = models.CharField(_("secret"), max_length=8, blank=True, editable=False)
    has_keys = models.BooleanField(default=False, editable=False)
    """Whether there are further keys (`ConnectionKey`) that take calls."""
    default_model = models.CharField(_("default model"), max_length=120, blank=True)
    options = models.JSONField(_("options"), default=dict, blank=True)
    is_default = models.BooleanField(_("default of the team"), default=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "slug"], name="connection_slug_unique"),
            models.UniqueConstraint(
                fields=["team"], condition=models.Q(is_default=True), name="connection_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AgentKind(models.TextChoices):
    """Where an agent works."""

    LOCAL = "local", _("Local")
    REMOTE = "remote", _("Remote")


class Agent(models.Model):
    """Who a node asks: a model with instructions, or a program elsewhere that has registered."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="agents", verbose_name=_("team"))
    slug = models.SlugField(_("short name"), max_length=80)
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(
        _("kind"), max_length=20, choices=AgentKind, default=AgentKind.LOCAL, editable=False
    )
    description = models.TextField(_("description"), blank=True)
    instructions = models.TextField(_("instructions"), blank=True)
    connection = models.ForeignKey(
        Connection, models.PROTECT, null=True, blank=True, related_name="agents", verbose_name=_("connection")
    )
    model = models.CharField(_("model"), max_length=120, blank=True)
    options = models.JSONField(_("options"), default=dict, blank=True)
    capabilities = models.JSONField(_("capabilities"), default=list, blank=True)
    """As texts: `translate;languages=de|fr` (`orchestra.engine.capabilities`)."""
    is_enabled = models.BooleanField(_("enabled"), default=True)
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "slug"], name="agent_slug_unique")]

    def __str__(self) -> str:
        return self.name
