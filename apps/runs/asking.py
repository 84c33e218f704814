"""What a run and the world say to each other: signals that wait to be taken, and questions to people."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import ROLE_RANK, OwnedQuerySet, Role, Team, User
from orchestra.ids import new_id


class Signal(models.Model):
    """A signal that came before the node that waits for it; that node takes it, and the row goes."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="signals", verbose_name=_("run"))
    name = models.CharField(_("name"), max_length=100)
    payload = models.JSONField(_("payload"), null=True)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("sent by")
    )
    sent_at = models.DateTimeField(_("sent at"), default=timezone.now)

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "name", "id"], name="signal_by_name")]

    def __str__(self) -> str:
        return self.name


class ApprovalStatus(models.TextChoices):
    """How an approval stands; all but the first are final."""

    OPEN = "open", _("Open")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    EXPIRED = "expired", _("Expired")
    WITHDRAWN = "withdrawn", _("Withdrawn")


DECISION_CHOICES = [
    (ApprovalStatus.APPROVED, _("Approved")),
    (ApprovalStatus.REJECTED, _("Rejected")),
]


class ApprovalQuerySet(OwnedQuerySet):
    def visible_to(self, user: User) -> Self:
        """What belongs to the person's teams, and what other teams ask of them."""
        teams = list(user.roles)
        asked = self.model.assigned_teams.through.objects.filter(team_id__in=teams).values("approval_id")
        return self.filter(models.Q(team_id__in=teams) | models.Q(pk__in=asked))

    def for_decider(self, user: User) -> Self:
        """What the person is among those to decide, open or not."""
        named = self.model.people.through.objects.filter(user=user).values("approval_id")
        able = [team for team in user.roles if user.can(Role.OPERATOR, team)]
        asked = self.model.assigned_teams.through.objects.filter(team_id__in=able).values("approval_id")
        mine = models.Q(pk__in=named, team_id__in=list(user.roles)) | models.Q(pk__in=asked)
        for team, held in user.roles.items():
            enough = [role for role in Role if ROLE_RANK[role] <= ROLE_RANK[held]]
            mine |= models.Q(team_id=team, role__in=enough)
        return self.filter(mine)

    def open(self) -> Self:
        return self.filter(status=ApprovalStatus.OPEN)


class Approval(models.Model):
    """A question that a run asks people; its node waits until enough of them have answered."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="approvals", verbose_name=_("team"))
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="approvals", verbose_name=_("run"))
    path = models.CharField(_("node"), max_length=400)
    status = models.CharField(_("status"), max_length=10, choices=ApprovalStatus, default=ApprovalStatus.OPEN)
    title = models.CharField(_("title"), max_length=300)
    body = models.TextField(_("text"), blank=True)
    form = models.JSONField(_("form"), null=True)
    """JSON Schema of what is filled in to approve."""
    assignees = models.JSONField(_("assignees"), default=list)
    """As the definition names them; who that is stands in the next three."""
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", verbose_name=_("people"))
    role = models.CharField(_("role"), max_length=10, blank=True)
    """Members of the run's team with at least this role; empty: not by role."""
    assigned_teams = models.ManyToManyField(Team, related_name="+", verbose_name=_("assigned teams"))
    quorum = models.PositiveSmallIntegerField(_("quorum"), default=1)
    call = models.JSONField(_("call"), null=True)
    """Of a call of a tool: `{tool, arguments, digest, key}`; the yes is for these arguments and no others."""
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now)
    due_at = models.DateTimeField(_("expires at"), null=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "path"], name="approval_open_once", condition=models.Q(status="open")
            )
        ]
        indexes = [models.Index(fields=["team", "status", "-id"], name="approval_team_status")]

    def __str__(self) -> str:
        return self.title


class Vote(models.Model):
    """What one person answered to an approval."""

    id = models.BigAutoField(primary_key=True)
    approval = models.ForeignKey(Approval, models.CASCADE, related_name="votes", verbose_name=_("approval"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    decision = models.CharField(_("decision"), max_length=10, choices=DECISION_CHOICES)
    comment = models.TextField(_("comment"), blank=True)
    form = models.JSONField(_("form"), null=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("vote")
        verbose_name_plural = _("votes")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "by"], name="vote_once")]

    def __str__(self) -> str:
        return f"{self.approval}: {self.decision}"
