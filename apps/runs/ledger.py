"""What outlives one attempt at a node: results that may be reused, and effects that must not be repeated."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team


class CacheEntry(models.Model):
    """The result of a node with `cache`, for the same kind, settings and input in the same team."""

    id = models.BigAutoField(primary_key=True)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    key = models.CharField(_("key"), max_length=64)
    """SHA-256, hex, of what the result depends on."""
    kind = models.CharField(_("kind"), max_length=40)
    output = models.JSONField(_("output"), null=True)
    ports = models.JSONField(default=list)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("cached result")
        verbose_name_plural = _("cached results")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["team", "key"], name="cache_entry_unique")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key[:12]}"


class JournalEntry(models.Model):
    """A step of a node run that a later attempt need not take again: an answer of a model, a call, a person's yes."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="journal", verbose_name=_("run"))
    path = models.CharField(_("path"), max_length=400)
    round = models.PositiveIntegerField(_("round"), default=0)
    """Attempts before somebody retried the node by hand: each such retry begins anew."""
    key = models.CharField(_("key"), max_length=80)
    entry = models.JSONField(_("entry"), default=dict)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("journal entry")
        verbose_name_plural = _("journal entries")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "path", "round", "key"], name="journal_entry_once")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.path}: {self.key}"


class EffectState(models.TextChoices):
    """What is known of an effect that may happen once only."""

    PREPARED = "prepared", _("Not sent")
    SENT = "sent", _("Sent")
    CONFIRMED = "confirmed", _("Happened")
    UNKNOWN = "unknown", _("Unknown")


class Decision(models.TextChoices):
    """What a person says of an effect whose outcome nobody knows."""

    HAPPENED = "happened", _("It happened")
    RETRY = "retry", _("It did not; try again")
    GIVE_UP = "give_up", _("Give up")


class Effect(models.Model):
    """The effect of a node with `effect: once`: whether it was sent, whether it happened, who decided what."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="effects", verbose_name=_("run"))
    path = models.CharField(_("path"), max_length=400)
    state = models.CharField(_("state"), max_length=10, choices=EffectState, default=EffectState.PREPARED)
    fence = models.PositiveIntegerField(default=0)
    """Fence of the attempt that may send it."""
    worker = models.CharField(_("worker"), max_length=80, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    """Why its outcome is unknown."""
    late_output = models.JSONField(_("late result"), null=True)
    """What a worker reported that had been given up: kept for who decides, never applied."""
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    prepared_at = models.DateTimeField(_("prepared at"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    settled_at = models.DateTimeField(_("settled at"), null=True)

    class Meta:
        verbose_name = _("effect")
        verbose_name_plural = _("effects")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="effect_unique")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.path}: {self.state}"
