"""Starting a run from a form that is made from the workflow's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.models import Role, User
from apps.accounts.rights import require
from apps.runs.actions import fork_run, start_run
from apps.runs.forms import StartForm
from apps.runs.models import Origin, Run
from apps.workflows.models import Workflow
from apps.workflows.views.guards import find_workflow, person, rights, signed_in
from orchestra.errors import Conflict, InvalidInput, LimitReached


@require_http_methods(["GET", "POST"])
@signed_in
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the start form, filled with what the person gave last time; POST starts a run."""
    workflow, user = find_workflow(request, slug), person(request)
    require(user, workflow.team_id, Role.OPERATOR)
    version = workflow.published
    if version is None or workflow.archived_at is not None:
        messages.info(request, _("Publish the workflow first: runs are made from a published version."))
        return redirect("workflows:detail", workflow.slug)
    schema = version.definition.get("inputs")
    if request.method == "POST":
        form = StartForm(schema, request.POST, request.FILES)
        run = _start(request, form, workflow, user) if form.is_valid() else None
        if run is not None:
            return redirect("runs:detail", run.pk)
        last = None
    else:
        last = _last(request, workflow, user)
        form = StartForm(schema, values=last.input if last and isinstance(last.input, Mapping) else None)
    context = {
        "workflow": workflow,
        "version": version,
        "form": form,
        "last": last,
        "can_reuse": request.GET.get("from") or request.POST.get("reuse"),
        **rights(user, workflow.team),
    }
    return render(request, "workflows/start.html", context, status=422 if form.errors else 200)


def _start(request: HttpRequest, form: StartForm, workflow: Workflow, user: User) -> Run | None:
    """Start the run, or put what is wrong at the fields and return None.

    With `reuse` it is forked from that run: what its input does not change is taken over.
    """
    given: dict[str, Any] = {
        "input": form.input,
        "priority": form.cleaned_data["priority"],
        "tags": form.tag_list,
        "origin": Origin.PORTAL,
        "by": user,
    }
    old = _named(workflow, request.POST.get("reuse", ""))
    try:
        if old is not None:
            return fork_run(run=old, version=workflow.published, **given)
        return start_run(workflow=workflow, **given)
    except InvalidInput as error:
        form.take_problems(error.problems)
        if not error.problems:
            form.add_error(None, error.message)
    except (Conflict, LimitReached) as error:
        form.add_error(None, error.message)
    return None


def _named(workflow: Workflow, text: str) -> Run | None:
    try:
        found: Run | None = workflow.runs.filter(pk=UUID(text)).select_related("workflow", "version").first()
    except ValueError:
        return None
    return found


def _last(request: HttpRequest, workflow: Workflow, user: User) -> Run | None:
    """Return the run whose input fills the form: the one named by `from`, else the person's last."""
    if "clear" in request.GET:
        return None
    runs: Any = workflow.runs.only("id", "number", "input", "workflow_id").order_by("-number")
    named = request.GET.get("from", "")
    if named:
        return _named(workflow, named)
    mine: Run | None = runs.filter(started_by=user).first()
    return mine
