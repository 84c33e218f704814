"""The buttons of a run's page: pause, resume, retry, fork, and retrying one node."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.runs import actions
from apps.runs.models import Origin, Run
from apps.runs.views.page import find_run
from apps.workflows.views.guards import person, signed_in
from orchestra.errors import Conflict, InvalidInput, LimitReached

Act = Callable[..., Run]


def _act(request: HttpRequest, run: Run, act: Act, done: str | Promise) -> HttpResponse:
    """Do it; scripts get JSON, forms go back to the page, which says what was done or why not."""
    wants_json = "application/json" in request.headers.get("Accept", "")
    try:
        run = act(run=run, by=person(request))
    except Conflict as error:
        if wants_json:
            return JsonResponse({"code": error.code, "detail": error.message}, status=error.status)
        messages.info(request, error.message)
    else:
        if wants_json:
            return JsonResponse({"status": run.status, "seq": run.seq})
        messages.success(request, str(done))
    return redirect("runs:detail", run.pk)


@require_POST
@signed_in
def pause(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Hold the run back."""
    return _act(request, find_run(request, run_id), actions.pause_run, _("The run is paused."))


@require_POST
@signed_in
def resume(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Let the run go on."""
    return _act(request, find_run(request, run_id), actions.resume_run, _("The run goes on."))


@require_POST
@signed_in
def retry(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Start what failed anew."""
    done = _("The run is retried: what succeeded is kept.")
    return _act(request, find_run(request, run_id), actions.retry_run, done)


@require_POST
@signed_in
def fork(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Start a new run that does `from` and all after it again, and takes over the rest."""
    run = find_run(request, run_id)
    try:
        new = actions.fork_run(
            run=run, again=request.POST.getlist("from"), origin=Origin.PORTAL, by=person(request)
        )
    except (Conflict, InvalidInput, LimitReached) as error:
        messages.error(request, error.problems[0].message if error.problems else error.message)
        return redirect("runs:detail", run.pk)
    return redirect("runs:detail", new.pk)


@require_POST
@signed_in
def retry_node(request: HttpRequest, run_id: UUID, path: str) -> HttpResponse:
    """Start one failed node anew, with everything after it."""
    run = find_run(request, run_id)
    node = run.node_runs.filter(path=path).first()
    if node is None:
        raise Http404
    done = _("The node is retried, with everything after it.")
    return _act(request, run, lambda **given: actions.retry_node(node=node, **given), done)
