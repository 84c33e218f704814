"""The pages that show workflows: the list, one workflow, and what is done to it from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.teams import active_team
from apps.workflows import actions
from apps.workflows.forms import AboutForm
from apps.workflows.graph import draw
from apps.workflows.models import Workflow, WorkflowVersion
from apps.workflows.views.guards import find_workflow, person, rights, signed_in
from orchestra.engine.canvas_text import as_text
from orchestra.engine.codec import plan_from_json
from orchestra.errors import OrchestraError

PAGE_SIZE = 50


@require_safe
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Every workflow of the active team: search, tags, and how their last runs went."""
    team = active_team(request)
    mine = Workflow.objects.visible_to(person(request)).filter(team=team)
    is_archived = "archived" in request.GET
    query, tag = request.GET.get("q", "").strip(), request.GET.get("tag", "").strip()
    current = mine.filter(archived_at__isnull=not is_archived)
    tags = sorted(
        {word for words in current.values_list("tags", flat=True) for word in words if isinstance(word, str)}
    )
    found = current.select_related("published").defer("draft", "draft_text", "published__plan")
    for word in query.split():
        found = found.filter(
            Q(name__icontains=word) | Q(slug__icontains=word) | Q(description__icontains=word)
        )
    shown: Any = found.order_by("name", "id")
    if tag:
        shown = [workflow for workflow in shown if tag in workflow.tags]
    page = Paginator(shown, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "query": query,
        "tag": tag,
        "tags": tags,
        "is_archived": is_archived,
        "is_filtered": bool(query or tag),
        **rights(person(request), team),
    }
    return render(request, "workflows/list.html", context)


@require_safe
@signed_in
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One workflow: its graph, what it asks for, its latest runs and versions, and the plan for Celery."""
    workflow = find_workflow(request, slug)
    version = workflow.published
    shown = version.definition if version else workflow.draft
    context = {
        "workflow": workflow,
        "version": version,
        "drawing": draw(shown),
        "inputs": describe_inputs(shown.get("inputs")),
        "versions": workflow.versions.select_related("created_by").defer("definition", "text", "plan")[:4],
        "has_changes": version is not None and workflow.draft != version.definition,
        "plan_text": plan_text(version) if version else "",
        "about_form": AboutForm(initial={name: getattr(workflow, name) for name in AboutForm.base_fields}),
        **rights(person(request), workflow.team),
    }
    return render(request, "workflows/detail.html", context)


def plan_text(version: WorkflowVersion) -> str:
    """Return the canvas that a version compiles to, as an indented text."""
    return as_text(plan_from_json(version.plan))


def describe_inputs(schema: Any) -> list[dict[str, Any]]:
    """Return name, title, type, default of each input; an empty list when the workflow asks for nothing."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return []
    required = schema.get("required")
    return [
        {
            "name": name,
            "title": rule.get("title") or "",
            "text": rule.get("description") or "",
            "type": _type_name(rule),
            "default": json.dumps(rule["default"], ensure_ascii=False) if "default" in rule else "",
            "is_required": isinstance(required, list) and name in required,
        }
        for name, rule in properties.items()
        if isinstance(rule, Mapping)
    ]


def _type_name(rule: Mapping[str, Any]) -> str:
    named = rule.get("type", "any")
    if named == "array" and isinstance(rule.get("items"), Mapping):
        return f"array of {rule['items'].get('type', 'any')}"
    return " | ".join(map(str, named)) if isinstance(named, list) else str(named)


@require_POST
@signed_in
def about(request: HttpRequest, slug: str) -> HttpResponse:
    """Change name, description and tags."""
    workflow = find_workflow(request, slug)
    form = AboutForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return redirect("workflows:detail", workflow.slug)
    return _done(
        request,
        workflow,
        _("Saved."),
        lambda: actions.update_workflow(workflow=workflow, **form.cleaned_data, by=person(request)),
    )


@require_POST
@signed_in
def duplicate(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a copy and open it."""
    workflow = find_workflow(request, slug)
    name = _("%(name)s (copy)") % {"name": workflow.name[:110]}
    copy = actions.duplicate_workflow(workflow=workflow, name=name, by=person(request))
    messages.success(request, _("This is the copy; it has a draft and no version yet."))
    return redirect("workflows:edit", copy.slug)


@require_POST
@signed_in
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a workflow out of the lists."""
    workflow = find_workflow(request, slug)
    actions.archive_workflow(workflow=workflow, by=person(request))
    messages.success(request, _("“%(name)s” is archived. Its runs stay.") % {"name": workflow.name})
    return redirect("workflows:list")


def _done(request: HttpRequest, workflow: Workflow, words: str, act: Any) -> HttpResponse:
    try:
        act()
    except OrchestraError as error:
        if error.status == 403:
            raise
        messages.error(request, error.message)
    else:
        messages.success(request, words)
    return redirect("workflows:detail", workflow.slug)
