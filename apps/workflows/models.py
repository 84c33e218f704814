"""What should happen: workflows, their drafts, and the versions that runs are made of."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from orchestra.ids import new_id


class Workflow(models.Model):
    """A named workflow of a team: a draft that is edited, and versions that are frozen."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="workflows")
    slug = models.SlugField(_("short name"), max_length=80)
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    draft = models.JSONField(_("draft"), default=dict)
    draft_text = models.TextField(blank=True)
    """The draft as its author typed it (YAML with comments), or empty when it came as JSON."""
    problems = models.JSONField(default=list, editable=False)
    """What is wrong with the draft, as the compiler said when it was saved."""
    revision = models.PositiveIntegerField(default=1, editable=False)
    published = models.ForeignKey(
        "WorkflowVersion",
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("published"),
    )
    run_count = models.PositiveBigIntegerField(default=0, editable=False)
    """How many runs were started; the next run's number is one more."""
    archived_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
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


class WorkflowVersion(models.Model):
    """A frozen definition with its compiled plan; a run keeps the version it was started with."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("number"))
    definition = models.JSONField(_("definition"))
    text = models.TextField(blank=True)
    plan = models.JSONField(_("plan"))
    digest = models.CharField(max_length=64)
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="version_number_unique")]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"
