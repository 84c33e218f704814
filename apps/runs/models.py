"""What happened: runs, node runs, the event log, and the leases of the workers that run them."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from apps.workflows.models import Workflow, WorkflowVersion
from orchestra.engine.status import FINAL_NODE, FINAL_RUN, NodeStatus, RunStatus
from orchestra.ids import new_id

RUN_STATUS_CHOICES = [
    (RunStatus.QUEUED, _("Queued")),
    (RunStatus.RUNNING, _("Running")),
    (RunStatus.WAITING, _("Waiting")),
    (RunStatus.PAUSED, _("Paused")),
    (RunStatus.SUCCEEDED, _("Succeeded")),
    (RunStatus.FAILED, _("Failed")),
    (RunStatus.CANCELLED, _("Cancelled")),
]
NODE_STATUS_CHOICES = [
    (NodeStatus.PENDING, _("Pending")),
    (NodeStatus.QUEUED, _("Queued")),
    (NodeStatus.RUNNING, _("Running")),
    (NodeStatus.WAITING, _("Waiting")),
    (NodeStatus.SUCCEEDED, _("Succeeded")),
    (NodeStatus.FAILED, _("Failed")),
    (NodeStatus.SKIPPED, _("Skipped")),
    (NodeStatus.CANCELLED, _("Cancelled")),
]


class PriorityLevel(models.IntegerChoices):
    LOW = 0, _("Low")
    NORMAL = 1, _("Normal")
    HIGH = 2, _("High")
    CRITICAL = 3, _("Critical")


class Origin(models.TextChoices):
    """What started a run."""

    API = "api", _("API")
    PORTAL = "portal", _("Portal")
    COMMAND = "command", _("Command")


class RunQuerySet(OwnedQuerySet):
    def open(self) -> Self:
        return self.exclude(status__in=FINAL_RUN)


class Run(models.Model):
    """One execution of a workflow version. Its row is locked by whoever records progress."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="runs")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="runs")
    version = models.ForeignKey(WorkflowVersion, models.PROTECT, related_name="runs")
    number = models.PositiveBigIntegerField(_("number"))
    status = models.CharField(
        _("status"), max_length=10, choices=RUN_STATUS_CHOICES, default=RunStatus.QUEUED
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=PriorityLevel, default=PriorityLevel.NORMAL
    )
    origin = models.CharField(_("started from"), max_length=10, choices=Origin, default=Origin.API)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    input = models.JSONField(_("input"), default=dict)
    output = models.JSONField(_("output"), null=True)
    error = models.JSONField(_("error"), null=True)
    epoch = models.PositiveIntegerField(default=0)
    """Raised when what is left is dispatched anew; messages of an older epoch are ignored."""
    seq = models.PositiveBigIntegerField(default=0)
    """Sequence number of the run's last event."""
    unsettled = models.PositiveIntegerField(default=0)
    """Node runs of the run's own scope that have not settled yet."""
    nodes_total = models.PositiveIntegerField(default=0)
    nodes_done = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=16, decimal_places=8, default=0)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("started by")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    dispatched_at = models.DateTimeField(null=True, db_index=True)
    """When something of this run was last sent to the broker; the relay resends what stays unclaimed."""

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="run_number_unique")]
        indexes = [
            models.Index(fields=["team", "-id"], name="run_team_recent"),
            models.Index(fields=["team", "status", "-id"], name="run_team_status"),
            models.Index(
                fields=["dispatched_at"],
                name="run_open",
                condition=models.Q(status__in=["queued", "running", "waiting"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} #{self.number}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_RUN

    @property
    def duration_seconds(self) -> float | None:
        """Seconds from start to end, or to now while it runs; None before it started."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()


class NodeRun(models.Model):
    """One node of a run: its status, its attempts, what went in and what came out."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="node_runs")
    path = models.CharField(_("path"), max_length=400)
    scope = models.CharField(max_length=400, blank=True)
    owner = models.CharField(max_length=400, blank=True)
    """Path of the map whose item this belongs to; empty in the run's own scope."""
    item_index = models.PositiveIntegerField(null=True)
    node = models.CharField(_("node"), max_length=64)
    kind = models.CharField(_("kind"), max_length=40)
    queue = models.CharField(_("queue"), max_length=20)
    status = models.CharField(
        _("status"), max_length=10, choices=NODE_STATUS_CHOICES, default=NodeStatus.PENDING
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    losses = models.PositiveSmallIntegerField(default=0)
    """How often a worker was lost while it ran this node."""
    fence = models.PositiveIntegerField(default=0)
    """Raised by every claim and every withdrawal; only the holder of the current fence may record."""
    worker = models.CharField(_("worker"), max_length=80, blank=True)
    unsettled = models.PositiveIntegerField(default=0)
    """Incoming edges not settled yet (joins), or items not settled yet (maps that have opened)."""
    live = models.PositiveIntegerField(default=0)
    """Live incoming edges so far (joins)."""
    is_decided = models.BooleanField(default=False)
    """The join has made this node ready or skipped it; later arrivals change nothing."""
    items_total = models.PositiveIntegerField(null=True)
    """Maps: how many items it has opened; None before."""
    cursor = models.PositiveIntegerField(default=0)
    """Maps: index of the next item to release."""
    is_handled = models.BooleanField(default=False)
    """It failed, but an edge, `on_error` or the map around it took care of that."""
    waiting_for = models.CharField(_("waiting for"), max_length=200, blank=True)
    due_at = models.DateTimeField(null=True)
    item = models.JSONField(null=True)
    """The item of a map's scope (kind `item` only)."""
    input = models.JSONField(_("input"), null=True)
    output = models.JSONField(_("output"), null=True)
    ports = models.JSONField(default=list)
    error = models.JSONField(_("error"), null=True)
    attempts = models.JSONField(default=list)
    """Ended attempts: `{attempt, worker, started_at, finished_at, status, error}`."""
    model = models.CharField(_("model"), max_length=120, blank=True)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=16, decimal_places=8, default=0)
    queued_at = models.DateTimeField(_("queued at"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("node run")
        verbose_name_plural = _("node runs")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="node_run_path_unique")]
        indexes = [
            models.Index(
                fields=["run", "queue", "id"], name="node_run_queued", condition=models.Q(status="queued")
            ),
            models.Index(fields=["worker"], name="node_run_running", condition=models.Q(status="running")),
            models.Index(
                fields=["due_at"],
                name="node_run_due",
                condition=models.Q(status="waiting", due_at__isnull=False),
            ),
            models.Index(fields=["run", "scope", "status"], name="node_run_scope"),
            models.Index(
                fields=["run", "owner", "item_index"], name="node_run_items", condition=~models.Q(owner="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.path}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_NODE


class Event(models.Model):
    """The append-only log of a run; `seq` rises by one without gaps."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField()
    type = models.CharField(_("type"), max_length=40)
    node = models.CharField(_("node"), max_length=400, blank=True)
    at = models.DateTimeField(_("at"))
    data = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_unique")]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class Worker(models.Model):
    """A worker process and its lease: silent for too long, and its nodes go to others."""

    name = models.CharField(_("name"), max_length=80, primary_key=True)
    queues = models.CharField(_("queues"), max_length=80)
    pool = models.CharField(_("pool"), max_length=20)
    slots = models.PositiveIntegerField(_("slots"))
    version = models.CharField(_("version"), max_length=40)
    busy = models.PositiveIntegerField(_("busy"), default=0)
    started_at = models.DateTimeField(_("started at"), default=timezone.now)
    seen_at = models.DateTimeField(_("seen at"), default=timezone.now)
    lost_at = models.DateTimeField(_("lost at"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Leadership(models.Model):
    """Who does what only one process may do at a time; free again when its holder has been silent for seconds."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(_("holder"), max_length=80)
    seen_at = models.DateTimeField(_("seen at"))

    class Meta:
        verbose_name = _("leadership")
        verbose_name_plural = _("leaderships")

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


class CanvasPart(models.Model):
    """A member of a chord's header that has ended, where no Redis counts them; the empty member holds the size."""

    group = models.CharField(max_length=64)
    member = models.CharField(max_length=64, blank=True)
    size = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name = _("canvas part")
        verbose_name_plural = _("canvas parts")
        constraints = [models.UniqueConstraint(fields=["group", "member"], name="canvas_part_unique")]

    def __str__(self) -> str:
        return f"{self.group}: {self.member or self.size}"
