"""Assignments: what a run asks of remote agents, who has each, and how it ended."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from apps.agents.models import Agent
from orchestra.ids import new_id


class AssignmentStatus(models.TextChoices):
    """How an assignment stands; the last three are final."""

    QUEUED = "queued", _("Queued")
    LEASED = "leased", _("At work")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


OPEN = (AssignmentStatus.QUEUED, AssignmentStatus.LEASED)


class AssignmentQuerySet(OwnedQuerySet):
    def open(self) -> Self:
        return self.filter(status__in=OPEN)


class Assignment(models.Model):
    """One attempt of a node that a remote agent works on; only the holder of its fence may end it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="assignments", verbose_name=_("run"))
    path = models.CharField(_("node"), max_length=400)
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    status = models.CharField(
        _("status"), max_length=10, choices=AssignmentStatus, default=AssignmentStatus.QUEUED
    )
    priority = models.PositiveSmallIntegerField(_("priority"), default=1)
    payload = models.JSONField(_("payload"), default=dict)
    """`{task, system?, schema?, tools?, …}`, as the agent gets it."""
    wanted = models.CharField(_("wanted agent"), max_length=80, blank=True)
    """Short name of the only agent that may have it; empty: any that meets `requires`."""
    requires = models.JSONField(_("requires"), default=list, blank=True)
    strategy = models.CharField(_("strategy"), max_length=20)
    timeout_seconds = models.FloatField(_("timeout in seconds"), null=True)
    agent = models.ForeignKey(
        Agent, models.SET_NULL, null=True, related_name="assignments", verbose_name=_("agent")
    )
    agent_name = models.CharField(_("agent's short name"), max_length=80, blank=True)
    choice = models.JSONField(_("choice"), null=True)
    """Why this agent: `{agent, kind, strategy, reason, considered}`."""
    refused_by = models.JSONField(default=list, blank=True)
    """Ids of agents that gave it back, so that others get it first."""
    fence = models.PositiveIntegerField(_("fence"), default=0)
    """Raised whenever an agent gets it or loses it."""
    losses = models.PositiveSmallIntegerField(_("losses"), default=0)
    progress = models.JSONField(_("progress"), null=True)
    """What the agent last said: `{share, note}`."""
    output = models.JSONField(_("output"), null=True)
    error = models.JSONField(_("error"), null=True)
    usage = models.JSONField(_("usage"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    leased_at = models.DateTimeField(_("given at"), null=True)
    delivered_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    deadline_at = models.DateTimeField(_("has to end by"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "path"],
                name="assignment_open_once",
                condition=models.Q(status__in=["queued", "leased"]),
            )
        ]
        indexes = [
            models.Index(
                fields=["team", "-priority", "id"],
                name="assignment_queued",
                condition=models.Q(status="queued"),
            ),
            models.Index(
                fields=["agent", "lease_until"], name="assignment_leased", condition=models.Q(status="leased")
            ),
            models.Index(fields=["agent", "-id"], name="assignment_of_agent"),
            models.Index(fields=["run", "path", "-id"], name="assignment_of_node"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.path}"
