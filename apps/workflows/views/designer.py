"""The designer's page: the canvas of a draft, with all that the island needs to begin; and its text, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import Role
from apps.accounts.rights import require
from apps.workflows import actions
from apps.workflows.designer_words import words
from apps.workflows.kind_cards import choices, kind_cards, node_options
from apps.workflows.models import Workflow
from apps.workflows.remarks import remarks
from apps.workflows.views.guards import find_workflow, person, rights, signed_in
from apps.workflows.yaml_text import as_yaml
from orchestra.api import etag
from orchestra.engine.limits import DEFINITION_BYTES

API = "/api/v1"


@require_safe
@signed_in
def design(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft on a canvas."""
    workflow = find_workflow(request, slug)
    require(person(request), workflow.team_id, Role.EDITOR)
    if workflow.archived_at is not None:
        return redirect("workflows:detail", workflow.slug)
    context = {
        "workflow": workflow,
        "island": _island(request, workflow),
        "is_readable": _is_readable(workflow),
        **rights(person(request), workflow.team),
    }
    return render(request, "workflows/design.html", context)


@require_POST
@signed_in
def text(request: HttpRequest, slug: str) -> JsonResponse:
    """Answer a definition as YAML, or a YAML text as a definition with what keeps it from being read. Saves nothing."""
    workflow = find_workflow(request, slug)
    require(person(request), workflow.team_id, Role.EDITOR)
    try:
        given = json.loads(request.body[: 2 * DEFINITION_BYTES])
    except ValueError:
        given = None
    if isinstance(given, Mapping) and isinstance(given.get("definition"), Mapping):
        return JsonResponse({"text": as_yaml(given["definition"])})
    if not isinstance(given, Mapping) or not isinstance(given.get("text"), str):
        return JsonResponse({"detail": "Send `definition` or `text`."}, status=400)
    typed = given["text"]
    definition, problems = actions.read_text(typed)
    found = remarks(typed, [problem.as_json() for problem in problems])
    listed = [{"line": one.line, "message": one.message, "path": one.path} for one in found]
    return JsonResponse({"definition": definition, "problems": listed})


def _island(request: HttpRequest, workflow: Workflow) -> dict[str, Any]:
    may = rights(person(request), workflow.team)
    return {
        "draft": {
            "definition": workflow.draft,
            "problems": workflow.problems,
            "etag": etag(workflow),
            "hasComments": _has_comments(workflow.draft_text),
        },
        "kinds": kind_cards(),
        "options": node_options(),
        "choices": choices(workflow, person(request)),
        "words": words(),
        "language": get_language() or "en",
        "canRun": may["can_run"],
        "canEdit": may["can_edit"],
        "urls": _urls(workflow),
    }


def _urls(workflow: Workflow) -> dict[str, str]:
    own = f"{API}/workflows/{workflow.pk}"
    return {
        "draft": f"{own}/draft",
        "versions": f"{own}/versions",
        "start": f"{own}/runs",
        "validate": f"{API}/workflows/validate",
        "runs": f"{API}/runs",
        "lastRun": f"{API}/runs?workflow={workflow.slug}&team={workflow.team.slug}&limit=1",
        "runPages": reverse("runs:list"),
        "text": reverse("workflows:design_text", args=[workflow.slug]),
        "diff": reverse("workflows:diff", args=[workflow.slug]),
    }


def _has_comments(typed: str) -> bool:
    return any(line.lstrip().startswith("#") or " #" in line for line in typed.splitlines())


def _is_readable(workflow: Workflow) -> bool:
    return not workflow.draft_text or actions.read_text(workflow.draft_text)[0] is not None
