"""Workflows and their versions for operators; definitions are edited in the portal, by their teams."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.workflows.models import Workflow, WorkflowVersion
from orchestra.admin import BigTableAdmin, HistoryInline, ProductAdmin, ReadOnly, pretty_json


class VersionInline(HistoryInline):
    model = WorkflowVersion
    fields = readonly_fields = ["number", "note", "created_by", "created_at"]
    ordering = ["-number"]
    per_page = 20


@admin.register(Workflow)
class WorkflowAdmin(ReadOnly, ProductAdmin):
    list_display = ["name", "slug", "team", "published", "run_count", "updated_at", "archived_at"]
    list_filter = ["created_at", "archived_at"]
    list_select_related = ["team", "published", "published__workflow"]
    search_fields = ["name", "slug", "team__name", "team__slug"]
    inlines = [VersionInline]
    fields = [
        "name", "slug", "team", "description", "tags", "published", "run_count", "max_runs", "when_full", "revision",
        "created_by", "created_at", "updated_at", "archived_at", "shown_draft", "shown_problems",
    ]  # fmt: skip

    @admin.display(description=_("draft"))
    def shown_draft(self, workflow: Workflow) -> SafeString:
        return pretty_json(workflow.draft)

    @admin.display(description=_("problems"))
    def shown_problems(self, workflow: Workflow) -> SafeString:
        return pretty_json(workflow.problems)


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(ReadOnly, BigTableAdmin):
    list_display = ["workflow", "number", "note", "created_by", "created_at"]
    list_select_related = ["workflow", "created_by"]
    search_fields = ["=workflow__slug", "workflow__name"]
    fields = [
        "workflow",
        "number",
        "note",
        "digest",
        "created_by",
        "created_at",
        "shown_definition",
        "shown_plan",
    ]

    @admin.display(description=_("definition"))
    def shown_definition(self, version: WorkflowVersion) -> SafeString:
        return pretty_json(version.definition)

    @admin.display(description=_("plan"))
    def shown_plan(self, version: WorkflowVersion) -> SafeString:
        return pretty_json(version.plan)
