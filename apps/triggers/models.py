"""Triggers, and what each of them did and when."""

from __future__ import annotations

import secrets
from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import OwnedQuerySet, Team, User
from apps.runs.models import PriorityLevel, Run
from apps.workflows.models import Workflow
from orchestra.ids import new_id


class Kind(models.TextChoices):
    """What a trigger listens to."""

    SCHEDULE = "schedule", _("Schedule")
    WEBHOOK = "webhook", _("Webhook")
    EVENT = "event", _("End of a run")
    FORM = "form", _("Form")


class Misfire(models.TextChoices):
    """What happens to due times that passed while nothing could start them."""

    ONCE = "once", _("Run once for all of them")
    SKIP = "skip", _("Leave them out")
    ALL = "all", _("Run each of them")


class Overlap(models.TextChoices):
    """What happens when the trigger's last run has not ended yet."""

    ALLOW = "allow", _("Start another")
    SKIP = "skip", _("Leave this one out")
    QUEUE = "queue", _("Start when the last one has ended")
    CANCEL = "cancel", _("Cancel the last one and start")


class FiringStatus(models.TextChoices):
    """What came of one firing."""

    STARTED = "started", pgettext_lazy("a firing", "Started")
    QUEUED = "queued", _("Waits for the run before")
    SKIPPED = "skipped", _("Left out")
    REFUSED = "refused", _("Refused")


def new_public_id() -> str:
    """Return the unguessable part of a webhook's or a form's address."""
    return secrets.token_urlsafe(18)


class TriggerQuerySet(OwnedQuerySet):
    def of_kind(self, kind: Kind) -> Self:
        return self.filter(kind=kind, is_enabled=True)

    def with_last_run(self) -> Self:
        started = Firing.objects.filter(trigger=models.OuterRef("pk"), run__isnull=False).order_by("-pk")
        return self.annotate(
            last_run=models.Subquery(started.values("run_id")[:1], output_field=models.UUIDField())
        )


class Trigger(models.Model):
    """Starts runs of one workflow by itself, in the name of the person who saved it last."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="triggers", verbose_name=_("team"))
    workflow = models.ForeignKey(
        Workflow, models.CASCADE, related_name="triggers", verbose_name=_("workflow")
    )
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    input = models.JSONField(_("input"), default=dict, blank=True)
    """What the run gets, a value with expressions; see `apps.triggers.mapping`."""
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=PriorityLevel, default=PriorityLevel.NORMAL
    )
    source = models.ForeignKey(
        Workflow, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("runs of")
    )
    """Events: whose runs it listens to; None: those of every workflow of the team."""
    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    secret = models.TextField(blank=True, editable=False)
    previous_secret = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    """Webhooks: until when signatures with the secret before the last rotation are taken."""
    refused_at = models.DateTimeField(_("last refusal"), null=True, editable=False)
    """Webhooks: when a delivery was last turned away unread."""
    refused_why = models.CharField(_("why it was refused"), max_length=200, blank=True, editable=False)
    next_at = models.DateTimeField(_("next time"), null=True, editable=False)
    last_at = models.DateTimeField(_("last time"), null=True, editable=False)
    enabled_at = models.DateTimeField(default=timezone.now, editable=False)
    """Events: runs that ended before this started nothing and never will."""
    scanned_at = models.DateTimeField(null=True, editable=False)
    """Events: ends of runs up to here have been seen."""
    owner = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("acts for"))
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = TriggerQuerySet.as_manager()

    class Meta:
        verbose_name = _("trigger")
        verbose_name_plural = _("triggers")
        ordering = ["name"]
        indexes = [
            models.Index(
                fields=["next_at"],
                name="trigger_due",
                condition=models.Q(is_enabled=True, next_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Where deliveries or visitors go; empty for kinds that have no address."""
        places = {Kind.WEBHOOK: "hooks", Kind.FORM: "forms"}
        place = places.get(Kind(self.kind))
        return f"/{place}/{self.public_id}" if place else ""


class FiringQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User) -> Self:
        return self.filter(trigger__team_id__in=list(user.roles))


class Firing(models.Model):
    """One due time, delivery, ended run or sent form, and what came of it. The key makes it happen once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    trigger = models.ForeignKey(Trigger, models.CASCADE, related_name="firings", verbose_name=_("trigger"))
    key = models.CharField(_("key"), max_length=200)
    status = models.CharField(_("status"), max_length=10, choices=FiringStatus)
    due_at = models.DateTimeField(_("due at"), null=True)
    at = models.DateTimeField(_("at"), default=timezone.now)
    input = models.JSONField(_("input"), null=True)
    """The input of a run that waits for the one before; empty once it has started."""
    detail = models.CharField(_("detail"), max_length=500, blank=True)
    run = models.OneToOneField(Run, models.SET_NULL, null=True, related_name="firing", verbose_name=_("run"))
    source_run = models.ForeignKey(
        Run, models.SET_NULL, null=True, related_name="+", verbose_name=_("source run")
    )

    objects = FiringQuerySet.as_manager()

    class Meta:
        verbose_name = _("firing")
        verbose_name_plural = _("firings")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["trigger", "key"], name="firing_key_unique")]
        indexes = [
            models.Index(fields=["trigger", "-id"], name="firing_recent"),
            models.Index(fields=["trigger", "id"], name="firing_queued", condition=models.Q(status="queued")),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} {self.key}"
