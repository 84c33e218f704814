"""What calls of models used and cost, in rows that outlive their runs; and budgets that bound it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from orchestra.ids import new_id


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


class Scope(models.TextChoices):
    """Whose spending a budget bounds."""

    TEAM = "team", _("The team")
    USER = "user", _("A person")
    WORKFLOW = "workflow", _("A workflow")
    AGENT = "agent", _("An agent")
    RUN = "run", _("Each run")


class Unit(models.TextChoices):
    COST = "cost", _("Money")
    TOKENS = "tokens", _("Tokens")


class Span(models.TextChoices):
    """How long an amount is for."""

    DAY = "day", _("A day")
    MONTH = "month", _("A month")
    TOTAL = "total", _("Altogether")


class WhenSpent(models.TextChoices):
    """What becomes of a call that a budget has nothing left for."""

    STOP = "stop", _("Stop the run")
    PAUSE = "pause", _("Pause the run")
    DEGRADE = "degrade", _("Use a cheaper model")
    WARN = "warn", _("Only warn")


class Budget(models.Model):
    """How much a team, a person, a workflow, an agent or a run may spend in a day, a month or altogether."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="budgets", verbose_name=_("team"))
    name = models.CharField(_("name"), max_length=80)
    scope = models.CharField(_("for"), max_length=10, choices=Scope, default=Scope.TEAM)
    subject = models.CharField(_("whom"), max_length=80, blank=True)
    """Short name of the workflow or agent, id of the person; empty: each of them has this much."""
    unit = models.CharField(_("counted in"), max_length=10, choices=Unit, default=Unit.COST)
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=8)
    span = models.CharField(_("per"), max_length=10, choices=Span, default=Span.MONTH)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    """Whose midnight begins a day or a month."""
    warn_percent = models.PositiveSmallIntegerField(_("warn at percent"), default=80)
    """0: no warning."""
    when_spent = models.CharField(
        _("when it is spent"), max_length=10, choices=WhenSpent, default=WhenSpent.STOP
    )
    fallback_connection = models.CharField(_("connection of the cheaper model"), max_length=80, blank=True)
    fallback_model = models.CharField(_("cheaper model"), max_length=120, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Spending(models.Model):
    """What was spent of a budget by one subject in one span; its row is locked by whoever reserves or settles."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, models.CASCADE, related_name="spendings", verbose_name=_("budget"))
    subject = models.CharField(_("whose"), max_length=80, blank=True)
    starts_at = models.DateTimeField(_("from"))
    spent = models.DecimalField(_("spent"), max_digits=18, decimal_places=8, default=0)
    warned_at = models.DateTimeField(_("warned at"), null=True)
    reached_at = models.DateTimeField(_("first refused at"), null=True)

    class Meta:
        verbose_name = _("spending")
        verbose_name_plural = _("spendings")
        ordering = ["-starts_at", "-spent"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "subject", "starts_at"], name="spending_unique")
        ]

    def __str__(self) -> str:
        return f"{self.budget} {self.starts_at:%Y-%m-%d}"


class Reservation(models.Model):
    """What a call under way may take of a budget; void after a while, when whoever made the call was lost."""

    id = models.BigAutoField(primary_key=True)
    ticket = models.UUIDField(_("ticket"), db_index=True)
    spending = models.ForeignKey(
        Spending, models.CASCADE, related_name="reservations", verbose_name=_("spending")
    )
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=8)
    run = models.UUIDField(_("run"))
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.ticket)
