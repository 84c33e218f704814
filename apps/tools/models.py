"""What agents and nodes may call beside the installation's functions: servers, their tools, workflows; each call."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import OwnedQuerySet, Team
from orchestra.ids import new_id
from orchestra.tools.tool import ALLOW, ASK, DENY, Tool


class ServerKind(models.TextChoices):
    """What stands at the other end."""

    OPENAPI = "openapi", _("HTTP service")
    MCP = "mcp", _("MCP server")
    STDIO = "stdio", _("MCP program")


class Policy(models.TextChoices):
    """What happens when a tool is to be called."""

    ALLOW = ALLOW, _("Allow")
    ASK = ASK, _("Ask a person")
    DENY = DENY, _("Deny")


class ToolServer(models.Model):
    """A service whose tools a team may call: where it is, the secret that opens it, how often it may be called."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="tool_servers", verbose_name=_("team"))
    slug = models.SlugField(_("short name"), max_length=60)
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=10, choices=ServerKind)
    url = models.URLField(_("address"), max_length=500, blank=True)
    """Base URL of an HTTP service, or the endpoint of an MCP server."""
    program = models.CharField(_("program"), max_length=80, blank=True)
    """Name of an MCP program that the operator allows (`ORCHESTRA_MCP_PROGRAMS`)."""
    secret = models.TextField(blank=True, editable=False)
    secret_hint = models.CharField(_("secret"), max_length=8, blank=True, editable=False)
    secret_header = models.CharField(_("header of the secret"), max_length=80, default="Authorization")
    calls_per_minute = models.PositiveIntegerField(_("calls per minute"), null=True, blank=True)
    calls_per_day = models.PositiveIntegerField(_("calls per day"), null=True, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    protocol = models.CharField(_("protocol"), max_length=20, blank=True, editable=False)
    """Version of MCP that was agreed upon last."""
    read_at = models.DateTimeField(_("tools read at"), null=True, editable=False)
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("tool server")
        verbose_name_plural = _("tool servers")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "slug"], name="tool_server_slug_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_mcp(self) -> bool:
        return self.kind != ServerKind.OPENAPI


class ToolKind(models.TextChoices):
    """How a tool is called."""

    HTTP = "http", _("HTTP")
    WORKFLOW = "workflow", _("Workflow")
    MCP = "mcp", _("MCP")


class ToolQuerySet(OwnedQuerySet):
    def usable(self) -> Self:
        """What may be called at all: switched on, at a server that is on, and as it was accepted."""
        is_on = models.Q(server=None) | models.Q(server__is_enabled=True)
        return self.filter(is_on, is_enabled=True).exclude(policy=Policy.DENY)


class ToolRow(models.Model):
    """A tool of a team, pinned: what models are told of it is what a person has seen."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, models.CASCADE, related_name="tools", verbose_name=_("team"))
    server = models.ForeignKey(
        ToolServer, models.CASCADE, null=True, blank=True, related_name="tools", verbose_name=_("server")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=ToolKind)
    name = models.CharField(_("name"), max_length=200)
    """As nodes and agents say it: `server.tool`, or one word for a workflow."""
    remote_name = models.CharField(max_length=128, blank=True)
    """What the server calls it."""
    title = models.CharField(_("title"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True)
    schema = models.JSONField(_("arguments"), default=dict)
    """JSON Schema of the arguments, an object."""
    spec = models.JSONField(default=dict, blank=True)
    """How it is called: an HTTP operation, or `{workflow}`."""
    policy = models.CharField(_("policy"), max_length=10, choices=Policy, default=Policy.ASK)
    is_safe = models.BooleanField(_("changes nothing"), default=False)
    """A call may be repeated at will."""
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_served = models.BooleanField(_("offered over MCP"), default=False)
    """Of a workflow: a tool of `/mcp`, for programs with an API key."""
    digest = models.CharField(max_length=64, editable=False, blank=True)
    """SHA-256, hex, of what the server said when the tool was accepted."""
    offered = models.JSONField(_("offered now"), null=True, blank=True)
    """What the server says now, where that is something else than was accepted; `{}`: it is gone."""
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = ToolQuerySet.as_manager()

    class Meta:
        verbose_name = _("tool")
        verbose_name_plural = _("tools")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="tool_name_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_changed(self) -> bool:
        """Whether the server offers something else now than a person has accepted: then it is not called."""
        return self.offered is not None

    def as_tool(self) -> Tool:
        """Return what nodes and agents see of it."""
        return Tool(
            name=self.name,
            title=self.title or self.name,
            description=self.description,
            schema=self.schema,
            policy=self.policy,
            is_safe=self.is_safe
            or self.kind == ToolKind.WORKFLOW,  # its run is started once, whatever happens
        )


class CallState(models.TextChoices):
    """How a call ended."""

    STARTED = "started", _("Started")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    REFUSED = "refused", _("Refused")


class ToolUse(models.Model):
    """One call of a tool: who, for whom, which arguments, how it ended. Nobody edits it."""

    id = models.BigAutoField(primary_key=True)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+", verbose_name=_("team"))
    server = models.ForeignKey(
        ToolServer, models.SET_NULL, null=True, related_name="uses", verbose_name=_("server")
    )
    tool = models.CharField(_("tool"), max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=CallState, default=CallState.STARTED)
    run = models.UUIDField(_("run"), null=True)
    path = models.CharField(_("node"), max_length=400, blank=True)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    user = models.UUIDField(_("on behalf of"), null=True)
    """Whoever started the run, or tried the tool."""
    digest = models.CharField(_("hash of the arguments"), max_length=64)
    """SHA-256, hex, of the arguments as canonical JSON."""
    code = models.CharField(_("error"), max_length=60, blank=True)
    seconds = models.FloatField(_("seconds"), default=0)
    at = models.DateTimeField(_("at"), default=timezone.now)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        verbose_name = _("tool call")
        verbose_name_plural = _("tool calls")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["server", "at"], name="tool_use_by_server"),
            models.Index(fields=["team", "-id"], name="tool_use_by_team"),
        ]

    def __str__(self) -> str:
        return f"{self.tool}: {self.state}"
