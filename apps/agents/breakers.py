"""Circuit breakers of connections as rows: their state, and every change of it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orchestra.llm.breaker import Circuit


class BreakerState(models.TextChoices):
    """Whether calls go to a provider; see `orchestra.llm.breaker`."""

    CLOSED = "closed", _("Closed")
    OPEN = "open", _("Open")
    HALF_OPEN = "half_open", _("Half-open")


class Breaker(models.Model):
    """The circuit breaker of a connection; made by its first failure, shared by all workers."""

    connection = models.OneToOneField(
        "agents.Connection",
        models.CASCADE,
        primary_key=True,
        related_name="breaker",
        verbose_name=_("connection"),
    )
    state = models.CharField(
        _("state"), max_length=10, choices=BreakerState, default=BreakerState.CLOSED, db_index=True
    )
    counts = models.JSONField(default=list)
    """`[[bucket, succeeded, failed], …]` of the last minute; empty while it is open."""
    until = models.DateTimeField(_("until"), null=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    """What the failure said that opened it."""
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)

    class Meta:
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")

    def __str__(self) -> str:
        return f"{self.connection}: {self.get_state_display()}"

    @property
    def circuit(self) -> Circuit:
        """What the row says, as a value that can be reckoned with."""
        counts = tuple((at, good, bad) for at, good, bad in self.counts)
        return Circuit(self.state, counts, round(self.until.timestamp() * 1000) if self.until else 0)

    @property
    def is_due(self) -> bool:
        """Whether the next call tries if the provider is back."""
        return self.state == BreakerState.OPEN and self.until is not None and self.until <= timezone.now()


class BreakerChange(models.Model):
    """A change of a breaker's state, for good: when, from what to what, why, and by whom or which worker."""

    id = models.BigAutoField(primary_key=True)
    connection = models.ForeignKey(
        "agents.Connection", models.CASCADE, related_name="breaker_changes", verbose_name=_("connection")
    )
    before = models.CharField(_("before"), max_length=10, choices=BreakerState)
    after = models.CharField(_("after"), max_length=10, choices=BreakerState)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    by = models.CharField(_("by"), max_length=150)
    """The worker's name, or the person's."""
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("change of a circuit breaker")
        verbose_name_plural = _("changes of circuit breakers")
        ordering = ["-id"]
        indexes = [models.Index(fields=["connection", "-id"], name="breaker_change_recent")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.before} → {self.after}"
