"""What should happen: workflows, their drafts, and the versions that runs are made of."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from orchestra.ids import new_id


class WhenFull(models.TextChoices):
    """What a start comes to when as many runs of the workflow are under way as may be."""

    QUEUE = "queue", _("Wait for a place")
    REJECT = "reject", _("Refuse the start")
    REPLACE = "replace", _("Cancel the oldest run")


class Workflow(models.Model):
    """A named workflow of a team: a draft that is edited, and versions that are frozen."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="workflows", verbose_name=_("team"))
    slug = models.SlugField(_("short name"), max_length=80)
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    draft = models.JSONField(_("draft"), default=dict)
    draft_text = models.TextField(blank=True)
    """The draft as its author typed it (YAML with comments), or empty when it came as JSON."""
    problems = models.JSONField(default=list, editable=False)
    """What is wrong with the draft, as the compiler said when it was saved."""
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    published = models.ForeignKey(
        "WorkflowVersion",
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("published"),
    )
    run_count = models.PositiveBigIntegerField(_("run count"), default=0, editable=False)
    """How many runs were started; the next run's number is one more."""
    max_runs = models.PositiveIntegerField(
        _("runs at once"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    """How many runs may be under way at the same time; None: any number."""
    when_full = models.CharField(
        _("when that many run"), max_length=10, choices=WhenFull, default=WhenFull.QUEUE
    )
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("workflow")
        verbose_name_plural = _("workflows")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "slug"], name="workflow_slug_unique")]

    def __str__(self) -> str:
        return self.name


TRIAL = 0
"""The number of a draft that was frozen to be tried: it is in no list of versions and is never published."""


class VersionManager(models.Manager["WorkflowVersion"]):
    """The versions that were published; drafts that were only tried are left out."""

    def get_queryset(self) -> models.QuerySet[WorkflowVersion]:
        return super().get_queryset().filter(number__gt=TRIAL)


class WorkflowVersion(models.Model):
    """A frozen definition with its compiled plan; a run keeps the version it was started with."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(
        Workflow, models.CASCADE, related_name="versions", verbose_name=_("workflow")
    )
    number = models.PositiveIntegerField(_("number"))
    definition = models.JSONField(_("definition"))
    text = models.TextField(blank=True)
    plan = models.JSONField(_("plan"))
    digest = models.CharField(_("digest"), max_length=64)
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = VersionManager()
    every = models.Manager["WorkflowVersion"]()
    """Versions and tried drafts."""

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "number"],
                condition=models.Q(number__gt=TRIAL),
                name="version_number_unique",
            ),
            models.UniqueConstraint(
                fields=["workflow", "digest"], condition=models.Q(number=TRIAL), name="version_trial_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"
