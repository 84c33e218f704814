"""Every URL of the API, version 1."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter

from apps.agents import api as agents
from apps.agents import api_keys as agents_keys
from apps.agents import api_remote as remote
from apps.chat import api as chat
from apps.portal import system
from apps.runs import api as runs
from apps.runs import api_approvals as approvals
from apps.runs import api_control as control
from apps.runs import api_effects as effects
from apps.runs import api_nodes as nodes
from apps.runs import api_signals as signals
from apps.tools import api as tools
from apps.tools import api_mcp as mcp
from apps.triggers import api as triggers
from apps.triggers import api_hooks as hooks
from apps.usage import api as usage
from apps.usage import api_budgets as budgets
from apps.workflows import api as workflows
from apps.workflows import api_kinds as kinds
from apps.workflows import api_versions as versions
from orchestra.api_schema import DocsView, SchemaView

register_converter(nodes.NodePath, "nodepath")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("apps.accounts.api_urls")),
    path("kinds", kinds.KindsView.as_view()),
    path("workflows", workflows.WorkflowsView.as_view()),
    path("workflows/validate", workflows.ValidateView.as_view()),
    path("workflows/import", workflows.ImportView.as_view()),
    path("workflows/<slug:slug>", workflows.WorkflowView.as_view()),
    path("workflows/<slug:slug>/draft", workflows.DraftView.as_view()),
    path("workflows/<slug:slug>/export", workflows.ExportView.as_view()),
    path("workflows/<slug:slug>/versions", versions.VersionsView.as_view()),
    path("workflows/<slug:slug>/versions/<int:number>", versions.VersionView.as_view()),
    path("workflows/<slug:slug>/versions/<int:number>/plan", versions.PlanView.as_view()),
    path("workflows/<slug:slug>/versions/<int:number>/diff", versions.DifferenceView.as_view()),
    path("workflows/<slug:slug>/versions/<int:number>/restore", versions.RestoreView.as_view()),
    path("workflows/<slug:slug>/runs", runs.StartRunView.as_view()),
    path("runs", runs.RunsView.as_view()),
    path("runs/bulk", control.BulkView.as_view()),
    path("runs/<uuid:run_id>", runs.RunView.as_view()),
    path("runs/<uuid:run_id>/cancel", runs.CancelView.as_view()),
    path("runs/<uuid:run_id>/pause", control.PauseView.as_view()),
    path("runs/<uuid:run_id>/resume", control.ResumeView.as_view()),
    path("runs/<uuid:run_id>/retry", control.RetryView.as_view()),
    path("runs/<uuid:run_id>/events", runs.EventsView.as_view()),
    path("runs/<uuid:run_id>/signals/<str:name>", signals.SignalView.as_view()),
    path("runs/<uuid:run_id>/nodes", nodes.NodesView.as_view()),
    path("runs/<uuid:run_id>/nodes/<nodepath:path>/effect", effects.EffectView.as_view()),
    path("runs/<uuid:run_id>/nodes/<nodepath:path>", nodes.NodeView.as_view()),
    path("runs/<uuid:run_id>/nodes/<nodepath:path>/retry", control.NodeRetryView.as_view()),
    path("approvals", approvals.ApprovalsView.as_view()),
    path("approvals/<uuid:approval_id>", approvals.ApprovalView.as_view()),
    path("approvals/<uuid:approval_id>/decide", approvals.DecideView.as_view()),
    path("connections", agents.ConnectionsView.as_view()),
    path("connections/<uuid:connection_id>", agents.ConnectionView.as_view()),
    path("connections/<uuid:connection_id>/breaker", agents.BreakerChangesView.as_view()),
    path("connections/<uuid:connection_id>/breaker/close", agents.BreakerCloseView.as_view()),
    path("connections/<uuid:connection_id>/keys", agents_keys.ConnectionKeysView.as_view()),
    path("connections/<uuid:connection_id>/keys/<uuid:key_id>", agents_keys.ConnectionKeyView.as_view()),
    path("connections/<uuid:connection_id>/test", agents.ConnectionTestView.as_view()),
    path("agents", agents.AgentsView.as_view()),
    path("agents/register", remote.RegisterView.as_view()),
    path("agents/health", remote.HealthView.as_view()),
    path("agents/match", remote.MatchView.as_view()),
    path("agents/tokens", remote.AgentTokensView.as_view()),
    path("agents/tokens/<uuid:token_id>", remote.AgentTokenView.as_view()),
    path("agents/<uuid:agent_id>", agents.AgentView.as_view()),
    path("agents/<uuid:agent_id>/heartbeat", remote.HeartbeatView.as_view()),
    path("agents/<uuid:agent_id>/drain", remote.DrainView.as_view()),
    path("tools", tools.ToolsView.as_view()),
    path("tools/functions", tools.FunctionsView.as_view()),
    path("tools/test", tools.ToolTestView.as_view()),
    path("tools/import", tools.ImportView.as_view()),
    path("tools/calls", tools.UsesView.as_view()),
    path("tools/servers", tools.ServersView.as_view()),
    path("tools/servers/<uuid:server_id>", tools.ServerView.as_view()),
    path("tools/<uuid:tool_id>", tools.ToolView.as_view()),
    path("tools/<uuid:tool_id>/accept", mcp.ToolAcceptView.as_view()),
    path("mcp/servers", mcp.McpServersView.as_view()),
    path("mcp/servers/<uuid:server_id>", mcp.McpServerView.as_view()),
    path("mcp/servers/<uuid:server_id>/test", mcp.McpServerTestView.as_view()),
    path("triggers", triggers.TriggersView.as_view()),
    path("triggers/upcoming", triggers.UpcomingView.as_view()),
    path("triggers/<uuid:trigger_id>", triggers.TriggerView.as_view()),
    path("triggers/<uuid:trigger_id>/rotate", triggers.RotateView.as_view()),
    path("triggers/<uuid:trigger_id>/firings", triggers.FiringsView.as_view()),
    path("budgets", budgets.BudgetsView.as_view()),
    path("budgets/<uuid:budget_id>", budgets.BudgetView.as_view()),
    path("usage", usage.UsageView.as_view()),
    path("usage/calls", usage.CallsView.as_view()),
    path("hooks/<str:public_id>", hooks.HookView.as_view()),
    path("conversations", chat.ConversationsView.as_view()),
    path("conversations/<uuid:conversation_id>", chat.ConversationView.as_view()),
    path("conversations/<uuid:conversation_id>/messages", chat.MessagesView.as_view()),
    path(
        "conversations/<uuid:conversation_id>/messages/<uuid:message_id>/regenerate",
        chat.RegenerateView.as_view(),
    ),
    path("conversations/<uuid:conversation_id>/messages/<uuid:message_id>/edit", chat.EditView.as_view()),
    path("conversations/<uuid:conversation_id>/stop", chat.StopView.as_view()),
    path("conversations/<uuid:conversation_id>/share", chat.ShareView.as_view()),
    path("processes/definitions", workflows.DefinitionsView.as_view()),
    path("processes/instances", runs.InstancesView.as_view()),
    path("system/health", system.SystemHealthView.as_view()),
    path("system/workers", system.SystemWorkersView.as_view()),
    path("system/queues", system.SystemQueuesView.as_view()),
    path("system/dead-letters", system.SystemDeadLettersView.as_view()),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(), name="docs"),
]
