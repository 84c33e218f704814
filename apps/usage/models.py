"""What calls of models used and cost: rows that outlive the runs they were made for."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team


class ModelCall(models.Model):
    """One call of a model; or, of times long past, the sum of like calls of a quarter of an hour.

    Names instead of keys: what they name may be deleted, what was spent stays. Written with the node's record.
    """

    id = models.BigAutoField(primary_key=True)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    at = models.DateTimeField(_("at"))
    """When the call ended; of a sum, when its quarter of an hour began."""
    run = models.UUIDField(_("run"), null=True)
    number = models.PositiveBigIntegerField(_("number"), null=True)
    """The run's number within its workflow."""
    node = models.CharField(_("node"), max_length=400, blank=True)
    """Path of the node run."""
    fence = models.PositiveIntegerField(default=0)
    """Of the attempt that made the call: what is recorded late is recorded once."""
    workflow = models.CharField(_("workflow"), max_length=80, blank=True)
    agent = models.CharField(_("agent"), max_length=80, blank=True)
    connection = models.CharField(_("connection"), max_length=80, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        db_constraint=False,  # a person deleted in mid-run must not keep the run's results from being stored
        verbose_name=_("person"),
    )
    calls = models.PositiveIntegerField(_("calls"), default=1)
    failed = models.PositiveIntegerField(_("failed calls"), default=0)
    runs = models.PositiveIntegerField(_("runs"), default=0)
    """Of a sum: how many runs are in it."""
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=16, decimal_places=8, default=0)
    input_price = models.FloatField(_("price of input tokens"), null=True)
    """Money per million, as it was then."""
    output_price = models.FloatField(_("price of output tokens"), null=True)
    seconds = models.FloatField(_("seconds"), default=0)
    error = models.CharField(_("error"), max_length=60, blank=True)
    """Code of what ended the call early."""
    is_estimated = models.BooleanField(_("estimated"), default=False)
    """The provider did not say how many tokens it were."""

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("model call")
        verbose_name_plural = _("model calls")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["team", "at"], name="model_call_team_at"),
            models.Index(fields=["at"], name="model_call_details", condition=models.Q(run__isnull=False)),
            models.Index(fields=["run"], name="model_call_run", condition=models.Q(run__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.at:%Y-%m-%d %H:%M}"
