"""Making and editing workflows as text: problems and graph while typing, conflicts shown, nothing overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import Role
from apps.accounts.rights import require
from apps.accounts.teams import active_team
from apps.workflows import actions
from apps.workflows.forms import PASTE, CreateForm, sample_cards
from apps.workflows.graph import draw
from apps.workflows.models import Workflow
from apps.workflows.remarks import compare, remarks
from apps.workflows.views.guards import find_workflow, person, rights, signed_in
from apps.workflows.yaml_text import draft_text
from orchestra.engine.limits import DEFINITION_BYTES
from orchestra.errors import Conflict, InvalidInput, InvalidWorkflow, StaleRevision


@require_http_methods(["GET", "POST"])
@signed_in
def create(request: HttpRequest) -> HttpResponse:
    """Ask where a new workflow comes from; then open it: on the canvas, or what was pasted as text."""
    team = active_team(request)
    require(person(request), team.pk, Role.EDITOR)
    form = CreateForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            workflow = actions.create_workflow(
                team=team,
                name=data["name"],
                text=data["text"],
                definition=data["definition"],
                allow_problems=True,
                by=person(request),
            )
        except (InvalidInput, Conflict) as error:
            for problem in error.problems or ():
                form.add_error("name" if problem.path == "name" else None, problem.message)
            if not error.problems:
                form.add_error(None, error.message)
        else:
            page = "edit" if data["source"] == PASTE else "design"
            return redirect(f"workflows:{page}", workflow.slug)
    context = {"form": form, "samples": sample_cards(), "source": form["source"].value()}
    return render(request, "workflows/create.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft as text. POST saves it, and with `publish` freezes it as a version."""
    workflow = find_workflow(request, slug)
    require(person(request), workflow.team_id, Role.EDITOR)
    if request.method == "POST":
        return _save(request, workflow)
    return render(request, "workflows/edit.html", _page(request, workflow, draft_text(workflow)))


def _save(request: HttpRequest, workflow: Workflow) -> HttpResponse:
    text = _typed(request)
    revision = request.POST.get("revision", "")
    try:
        saved = actions.save_draft(
            workflow=workflow,
            text=text,
            revision=int(revision) if revision.isdigit() else None,
            allow_problems=True,
            by=person(request),
        )
        if "publish" in request.POST:
            return _publish(request, saved, text)
    except StaleRevision:
        return _conflict(request, workflow, text)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect("workflows:detail", workflow.slug)
    if wants_json(request):
        return JsonResponse({"revision": saved.revision})
    messages.success(request, _("The draft is saved."))
    return redirect("workflows:edit", workflow.slug)


def _publish(request: HttpRequest, workflow: Workflow, text: str) -> HttpResponse:
    before = workflow.published_id
    try:
        version = actions.publish(
            workflow=workflow, note=request.POST.get("note", "")[:200], by=person(request)
        )
    except InvalidWorkflow:
        messages.error(request, _("The draft is saved, but it has problems and cannot be published yet."))
        return render(request, "workflows/edit.html", _page(request, workflow, text), status=422)
    if version.pk == before:
        messages.info(request, _("Nothing has changed since version %(n)s.") % {"n": version.number})
    else:
        messages.success(request, _("Version %(n)s is published.") % {"n": version.number})
    return redirect("workflows:detail", workflow.slug)


def _conflict(request: HttpRequest, workflow: Workflow, text: str) -> HttpResponse:
    """Show both texts; saving again is then a decision about the text that was seen."""
    current = Workflow.objects.get(pk=workflow.pk)
    if wants_json(request):
        return JsonResponse({"code": StaleRevision.code}, status=412)
    theirs = draft_text(current)
    context = {"workflow": current, "text": text, "theirs": theirs, "rows": compare(theirs, text)}
    return render(request, "workflows/conflict.html", context, status=412)


@require_POST
@signed_in
def check(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer what is wrong with a text, line by line, and its graph, as a fragment. Saves nothing."""
    workflow = find_workflow(request, slug)
    require(person(request), workflow.team_id, Role.EDITOR)
    return render(request, "workflows/check.html", judge(_typed(request), workflow.draft, workflow.team_id))


def judge(text: str, last: Mapping[str, Any], team: UUID) -> dict[str, Any]:
    """Return the problems of a text with their lines, and its drawing; of `last` when it cannot be read."""
    definition, problems = actions.read_text(text)
    if definition is not None:
        problems, _plan = actions.check(definition, team=team)
    found = remarks(text, [problem.as_json() for problem in problems])
    nodes = frozenset(remark.path.split(".")[1] for remark in found if remark.path.startswith("nodes."))
    shown = definition if definition is not None else last
    return {
        "problems": found,
        "troubled": nodes,
        "is_readable": definition is not None,
        "drawing": draw(shown),
    }


def _page(request: HttpRequest, workflow: Workflow, text: str) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "text": text,
        **judge(text, workflow.draft, workflow.team_id),
        **rights(person(request), workflow.team),
    }


def _typed(request: HttpRequest) -> str:
    """Return the text of the form with plain line ends, cut where no definition can be that long."""
    return request.POST.get("text", "").replace("\r\n", "\n")[: DEFINITION_BYTES + 1]


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")
