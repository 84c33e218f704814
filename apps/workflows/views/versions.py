"""Versions of a workflow: the list, one of them, how two differ, and going back."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.workflows import actions
from apps.workflows.graph import draw
from apps.workflows.models import Workflow, WorkflowVersion
from apps.workflows.remarks import compare
from apps.workflows.views.guards import find_workflow, person, rights, signed_in
from apps.workflows.views.pages import plan_text
from apps.workflows.yaml_text import draft_text, version_text
from orchestra.errors import Conflict, InvalidWorkflow

DRAFT = "draft"


@require_safe
@signed_in
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every version, newest first."""
    workflow = find_workflow(request, slug)
    found = workflow.versions.select_related("created_by").defer("definition", "text", "plan")
    context = {"workflow": workflow, "versions": list(found), **rights(person(request), workflow.team)}
    return render(request, "workflows/versions.html", context)


@require_safe
@signed_in
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version: its graph, its text and the canvas it compiles to."""
    workflow = find_workflow(request, slug)
    found = _version(workflow, number)
    context = {
        "workflow": workflow,
        "version": found,
        "drawing": draw(found.definition),
        "text": version_text(found),
        "plan_text": plan_text(found),
        **rights(person(request), workflow.team),
    }
    return render(request, "workflows/version.html", context)


@require_safe
@signed_in
def diff(request: HttpRequest, slug: str) -> HttpResponse:
    """How two versions differ, or a version and the draft: `?from=1&to=2`, `?from=2&to=draft`."""
    workflow = find_workflow(request, slug)
    before, after = request.GET.get("from", ""), request.GET.get("to", DRAFT)
    rows = compare(_side(workflow, before), _side(workflow, after))
    context = {
        "workflow": workflow,
        "before": before,
        "after": after,
        "rows": rows,
        "added": sum(row.change == "added" for row in rows),
        "removed": sum(row.change == "removed" for row in rows),
        "numbers": list(workflow.versions.values_list("number", flat=True)),
    }
    return render(request, "workflows/diff.html", context)


def _side(workflow: Workflow, name: str) -> str:
    if name == DRAFT:
        return draft_text(workflow)
    if not name.isdigit():
        raise Http404
    return version_text(_version(workflow, int(name)))


def _version(workflow: Workflow, number: int) -> WorkflowVersion:
    found: WorkflowVersion = get_object_or_404(workflow.versions.select_related("created_by"), number=number)
    return found


@require_POST
@signed_in
def restore(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Publish an old version again as the newest."""
    workflow = find_workflow(request, slug)
    try:
        made = actions.restore_version(version=_version(workflow, number), by=person(request))
    except (Conflict, InvalidWorkflow) as error:
        messages.error(request, error.message)
        return redirect("workflows:version", workflow.slug, number)
    words = _("Version %(old)s is back, as version %(new)s.")
    messages.success(request, words % {"old": number, "new": made.number})
    return redirect("workflows:detail", workflow.slug)
