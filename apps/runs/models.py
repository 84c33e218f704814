"""What happened: runs, node runs, the event log, and the leases of the workers that run them."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from apps.runs.asking import DECISION_CHOICES as DECISION_CHOICES
from apps.runs.asking import Approval as Approval
from apps.runs.asking import ApprovalStatus as ApprovalStatus
from apps.runs.asking import Signal as Signal
from apps.runs.asking import Vote as Vote
from apps.runs.assignments import Assignment as Assignment
from apps.runs.assignments import AssignmentStatus as AssignmentStatus
from apps.runs.ledger import CacheEntry as CacheEntry
from apps.runs.ledger import Effect as Effect
from apps.runs.ledger import JournalEntry as JournalEntry
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
    SCHEDULE = "schedule", _("Schedule")
    WEBHOOK = "webhook", _("Webhook")
    EVENT = "event", _("End of a run")
    FORM = "form", _("Form")
    PARENT = "parent", _("Another run")


class RunQuerySet(OwnedQuerySet):
    def open(self) -> Self:
        return self.exclude(status__in=FINAL_RUN)


class Run(models.Model):
    """One execution of a workflow version. Its row is locked by whoever records progress."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="runs", verbose_name=_("team"))
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="runs", verbose_name=_("workflow"))
    version = models.ForeignKey(
        WorkflowVersion, models.PROTECT, related_name="runs", verbose_name=_("version")
    )
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
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=16, decimal_places=8, default=0)
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="children", verbose_name=_("parent")
    )
    trace = models.CharField(max_length=55, blank=True)
    """W3C traceparent that its spans belong under."""
    parent_path = models.CharField(max_length=400, blank=True)
    """Path of the parent's node that started this run."""
    depth = models.PositiveSmallIntegerField(default=0)
    """How many runs are around this one."""
    is_part = models.BooleanField(default=False)
    """The parent waits for this run, is charged with what it uses, and takes it along when it is cancelled."""
    is_awaited = models.BooleanField(default=False)
    """The parent's node has not taken the end of this run yet."""
    forked_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="forks", verbose_name=_("forked from")
    )
    """The run whose results this one took over as far as they were still right."""
    dedup_key = models.CharField(_("deduplication key"), max_length=200, blank=True)
    is_held = models.BooleanField(_("waits for a place"), default=False)
    """Queued, but not started before one of the workflow's other runs ends (`Workflow.max_runs`)."""
    is_deduplicated = False
    """Whether this is not what a start made but what it found: a run with the same deduplication key."""
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("started by")
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    ends_as = models.CharField(_("ends as"), max_length=10, blank=True)
    """Of a run whose nodes are undone (or were): how it ends after that."""
    deadline_at = models.DateTimeField(_("has to end by"), null=True, blank=True)
    """When the workflow's `limits.duration` ends it."""
    dispatched_at = models.DateTimeField(_("dispatched at"), null=True, db_index=True)
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
                fields=["parent", "parent_path"],
                name="run_awaited",
                condition=models.Q(is_awaited=True),
            ),
            models.Index(
                fields=["dispatched_at"],
                name="run_open",
                condition=models.Q(status__in=["queued", "running", "waiting"]),
            ),
            models.Index(
                fields=["workflow", "dedup_key", "-id"], name="run_dedup", condition=~models.Q(dedup_key="")
            ),
            models.Index(
                fields=["workflow", "is_held"],
                name="run_places",
                condition=models.Q(status__in=["queued", "running", "waiting", "paused"]),
            ),
            models.Index(
                fields=["deadline_at"],
                name="run_deadline",
                condition=models.Q(
                    deadline_at__isnull=False, status__in=["queued", "running", "waiting", "paused"]
                ),
            ),
            models.Index(
                fields=["team", "finished_at"],
                name="run_team_ended",
                condition=models.Q(finished_at__isnull=False),
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
    run = models.ForeignKey(Run, models.CASCADE, related_name="node_runs", verbose_name=_("run"))
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
    losses = models.PositiveSmallIntegerField(_("losses"), default=0)
    """How often a worker was lost while it ran this node."""
    fence = models.PositiveIntegerField(_("fence"), default=0)
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
    due_at = models.DateTimeField(_("due at"), null=True)
    item = models.JSONField(null=True)
    """The item of a map's scope (kind `item` only)."""
    input = models.JSONField(_("input"), null=True)
    output = models.JSONField(_("output"), null=True)
    ports = models.JSONField(default=list)
    error = models.JSONField(_("error"), null=True)
    is_reused = models.BooleanField(default=False)
    """Its result was taken over from the run that this one was forked from."""
    attempts = models.JSONField(default=list)
    """Ended attempts: `{attempt, worker, started_at, finished_at, status, error}`, and `cached` where it was."""
    model = models.CharField(_("model"), max_length=120, blank=True)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=16, decimal_places=8, default=0)
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
            models.Index(fields=["id"], name="node_run_poison", condition=models.Q(losses__gte=3)),
            models.Index(
                fields=["run", "owner", "item_index"], name="node_run_items", condition=~models.Q(owner="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.path}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_NODE

    @property
    def is_cached(self) -> bool:
        """Whether the result is that of earlier work."""
        return bool(self.attempts) and bool(self.attempts[-1].get("cached"))


class Event(models.Model):
    """The append-only log of a run; `seq` rises by one without gaps."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="events", verbose_name=_("run"))
    seq = models.PositiveBigIntegerField(_("sequence number"))
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

    name = models.CharField(_("name"), max_length=40, primary_key=True)
    holder = models.CharField(_("holder"), max_length=80)
    seen_at = models.DateTimeField(_("seen at"))

    class Meta:
        verbose_name = _("leadership")
        verbose_name_plural = _("leaderships")

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"


class CanvasPart(models.Model):
    """A member of a chord's header that has ended, where no Redis counts them; the empty member holds the size."""

    group = models.CharField(_("group"), max_length=64)
    member = models.CharField(_("member"), max_length=64, blank=True)
    size = models.PositiveIntegerField(_("size"), null=True)

    created_at = models.DateTimeField(_("created at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("canvas part")
        verbose_name_plural = _("canvas parts")
        constraints = [models.UniqueConstraint(fields=["group", "member"], name="canvas_part_unique")]

    def __str__(self) -> str:
        return f"{self.group}: {self.member or self.size}"


class QueueProbe(models.Model):
    """The message that travels a queue every few seconds, and how long the last one took."""

    queue = models.CharField(_("queue"), max_length=20, primary_key=True)
    number = models.PositiveBigIntegerField(_("number"), default=0)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    seen_number = models.PositiveBigIntegerField(_("seen number"), default=0)
    seen_at = models.DateTimeField(_("seen at"), null=True)
    proven_at = models.DateTimeField(_("proven at"), null=True)
    """When the last probe that arrived had been sent: what was sent before it has left the broker."""
    delay_seconds = models.FloatField(_("delay in seconds"), null=True)

    class Meta:
        verbose_name = _("queue probe")
        verbose_name_plural = _("queue probes")

    def __str__(self) -> str:
        return self.queue

    @property
    def is_back(self) -> bool:
        return self.seen_number >= self.number


class Admission(models.Model):
    """Who uses an account at a provider, where there is no Redis to keep it; see `orchestra.llm.limits`."""

    account = models.CharField(_("account"), max_length=80, primary_key=True)
    state = models.JSONField(_("state"), default=dict)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("admission")
        verbose_name_plural = _("admissions")

    def __str__(self) -> str:
        return self.account
