"""Runs over HTTP: start, list, read, cancel, and the log."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.idempotency import idempotent
from apps.accounts.models import Role, User
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team
from apps.runs import actions
from apps.runs.filters import RunFilters, filtered
from apps.runs.models import Origin, Run
from apps.runs.serializers import (
    EventPageSerializer,
    EventSerializer,
    NewInstanceSerializer,
    NewRunSerializer,
    RunDetailSerializer,
    RunSerializer,
    StartedRunSerializer,
)
from apps.workflows.actions import freeze_draft
from apps.workflows.api import find_startable
from apps.workflows.models import Workflow, WorkflowVersion
from orchestra.api import IDEMPOTENCY_KEY, TEAM, PagedView, StrictSerializer, checked, limit_of
from orchestra.engine.plan import ITEM
from orchestra.errors import InvalidInput, Problem

LONGEST_WAIT = 60.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25
LARGEST_SEQ = 2**63 - 1

WAIT = OpenApiParameter(
    "wait",
    float,
    description="Seconds to wait for the run's end, at most 60; the answer comes when it ended or then.",
)
BIG_COLUMNS = ("input", "output", "version__definition", "version__plan", "version__text")
WORKFLOW_COLUMNS = ("workflow__draft", "workflow__draft_text", "workflow__problems")


def find_run(request: Request, run_id: UUID) -> Run:
    """Return a run of any team of the person. Raises Http404."""
    visible = Run.objects.visible_to(person_of(request)).select_related("workflow", "version", "started_by")
    run: Run | None = visible.defer(*BIG_COLUMNS[2:], *WORKFLOW_COLUMNS).filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


def detail_of(run: Run) -> dict[str, Any]:
    """Return a run as JSON, its nodes counted by status."""
    counted = run.node_runs.exclude(node=ITEM).order_by().values_list("status").annotate(count=Count("pk"))
    return dict(RunDetailSerializer(run, context={"by_status": dict(counted)}).data)


class RunsView(PagedView):
    """The runs of a team, newest first."""

    filters = tuple(RunFilters().fields)

    @extend_schema(
        operation_id="runs_list", parameters=[TEAM, RunFilters], responses=RunSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        team = active_team(request)
        query = checked(RunFilters, request.query_params.dict())
        visible: QuerySet[Run, Run] = Run.objects.visible_to(person_of(request)).filter(team=team)
        visible = visible.select_related("workflow", "version", "started_by")
        visible = visible.defer(*BIG_COLUMNS, *WORKFLOW_COLUMNS)
        return self.page(filtered(visible, query, person_of(request)), RunSerializer)


class StartRunView(APIView):
    """Start a run of a workflow."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="runs_start",
        parameters=[TEAM, WAIT, IDEMPOTENCY_KEY],
        request=NewRunSerializer,
        responses={202: StartedRunSerializer, 200: StartedRunSerializer},
        description=(
            "202 with the run as it was accepted; with `wait`, 200 when it ended in time; with a `dedup_key`, 200 "
            "with the run that is there already."
        ),
    )
    def post(self, request: Request, slug: str) -> Response:
        wait = seconds_to_wait(request)
        workflow = find_startable(request, slug)
        return settled(start(self, request, workflow, NewRunSerializer), wait)


class InstancesView(RunsView):
    """Runs under the name that the requirements use."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="instances_list", parameters=[TEAM, RunFilters], responses=RunSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        operation_id="instances_start",
        parameters=[TEAM, WAIT, IDEMPOTENCY_KEY],
        request=NewInstanceSerializer,
        responses={202: StartedRunSerializer, 200: StartedRunSerializer},
    )
    def post(self, request: Request) -> Response:
        wait = seconds_to_wait(request)
        named = checked(NewInstanceSerializer, request.data)
        workflow = find_startable(request, named["workflow"])
        return settled(start(self, request, workflow, NewInstanceSerializer), wait)


@idempotent
def start(
    view: APIView, request: Request, workflow: Workflow, serializer: type[StrictSerializer]
) -> Response:
    """Start a run as the body says, and answer 202. With an `Idempotency-Key` it starts one only once."""
    by = person_of(request)
    require(by, workflow.team_id, Role.OPERATOR)
    options = checked(serializer, request.data)
    options.pop("workflow", None)
    options["version"] = chosen_version(workflow, options, by)
    given = options.pop("input", {})
    try:
        run = actions.start_run(workflow=workflow, input=given, origin=Origin.API, by=by, **options)
    except InvalidInput as error:
        raise InvalidInput(problems=[in_body(problem) for problem in error.problems]) from error
    status = 200 if run.is_deduplicated else 202
    return Response(accepted(run), status=status, headers={"Location": f"/api/v1/runs/{run.pk}"})


def chosen_version(workflow: Workflow, options: dict[str, Any], by: User) -> WorkflowVersion | None:
    """Take `version` and `draft` out of a body and return what they name; None: neither is there.

    Raises ValidationError, and what `freeze_draft` does.
    """
    number, is_draft = options.pop("version", None), options.pop("draft", False)
    if number is not None and is_draft:
        raise ValidationError({"draft": ["Give `version` or `draft`, not both."]})
    if is_draft:
        return freeze_draft(workflow=workflow, by=by)
    if number is None:
        return None
    found: WorkflowVersion | None = workflow.versions.filter(number=number).first()
    if found is None:
        raise ValidationError({"version": [f"There is no version {number} of this workflow."]})
    return found


def in_body(problem: Problem) -> Problem:
    """Return a problem of a run's input with its path in the body of the request: `input.document`."""
    return replace(problem, path=f"input.{problem.path}" if problem.path else "input")


def accepted(run: Run) -> dict[str, Any]:
    """Return what a start answers: the run, and where to follow it."""
    data = {
        "id": run.pk,
        "number": run.number,
        "status": run.status,
        "deduplicated": run.is_deduplicated,
        "output": run.output,
        "error": run.error,
        "url": f"/api/v1/runs/{run.pk}",
        "events_url": f"/api/v1/runs/{run.pk}/events",
    }
    return dict(StartedRunSerializer(data).data)


def seconds_to_wait(request: Request) -> float:
    """Return `?wait=`, at most 60. Raises ValidationError."""
    raw = request.query_params.get("wait", "0")
    try:
        seconds = float(raw)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValidationError({"wait": ["Give a number of seconds, at most 60."]})
    return min(seconds, LONGEST_WAIT)


def settled(response: Response, wait: float) -> Response:
    """Return the answer of a start when its run has ended, at the latest after `wait` seconds."""
    if wait <= 0:
        return response
    run = await_end(UUID(str(response.data["id"])), wait)
    headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    run.is_deduplicated = response.data["deduplicated"]
    status = 200 if run.is_final or run.is_deduplicated else 202
    return Response(accepted(run), status=status, headers=headers)


def await_end(run_id: UUID, seconds: float) -> Run:
    """Return the run when it has ended, or as it is after `seconds`; the connection is free meanwhile."""
    ends_at = time.monotonic() + seconds
    pause = SHORTEST_PAUSE
    while True:
        run: Run = Run.objects.defer("input").get(pk=run_id)
        left = ends_at - time.monotonic()
        if run.is_final or left <= 0:
            return run
        if not connection.in_atomic_block:
            connection.close()
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)


class RunView(APIView):
    """One run."""

    @extend_schema(operation_id="runs_read", responses=RunDetailSerializer)
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(detail_of(find_run(request, run_id)))


class CancelView(APIView):
    """Cancel a run that has not ended."""

    scope = Scope.RUN

    @extend_schema(operation_id="runs_cancel", request=None, responses=RunDetailSerializer)
    def post(self, request: Request, run_id: UUID) -> Response:
        actions.cancel_run(run=find_run(request, run_id), by=person_of(request))
        return Response(detail_of(find_run(request, run_id)))


class EventsView(APIView):
    """The log of a run as JSON; the same path streams it to who accepts `text/event-stream`."""

    @extend_schema(
        operation_id="runs_events",
        parameters=[
            OpenApiParameter("after", int, description="Only events with a greater `seq`."),
            OpenApiParameter("limit", int, description="How many; 50 when not given, 200 at most."),
        ],
        responses={(200, "application/json"): EventPageSerializer, (200, "text/event-stream"): str},
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        run = find_run(request, run_id)
        raw = request.query_params.get("after", "0")
        if not (raw.isascii() and raw.isdecimal()) or int(raw) > LARGEST_SEQ:
            raise ValidationError({"after": ["Give the `seq` of an event."]})
        limit = limit_of(request)
        rows = list(run.events.filter(seq__gt=int(raw)).order_by("seq")[: limit + 1])
        page = rows[:limit]
        following = None
        if len(rows) > limit:
            following = request.build_absolute_uri(f"{request.path}?after={page[-1].seq}&limit={limit}")
        results = EventSerializer(page, many=True).data
        return Response({"results": results, "next": following, "previous": None})
