"""What people do to runs that exist, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
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
from apps.runs.actions.bulk import BULK_ACTIONS, MOST_RUNS, BulkAnswer
from apps.runs.api import accepted, chosen_version, detail_of, find_run, in_body
from apps.runs.filters import filtered
from apps.runs.models import NodeRun, Run
from apps.runs.serializers import (
    BulkAnswerSerializer,
    BulkSerializer,
    NodeRunSerializer,
    RetrySerializer,
    RunDetailSerializer,
    StartedRunSerializer,
)
from orchestra.api import IDEMPOTENCY_KEY, TEAM, checked
from orchestra.errors import InvalidInput


class PauseView(APIView):
    """Hold a run back: nothing new is begun; what is under way may end and is recorded."""

    scope = Scope.RUN

    @extend_schema(operation_id="runs_pause", request=None, responses=RunDetailSerializer)
    def post(self, request: Request, run_id: UUID) -> Response:
        actions.pause_run(run=find_run(request, run_id), by=person_of(request))
        return Response(detail_of(find_run(request, run_id)))


class ResumeView(APIView):
    """Let a paused run go on."""

    scope = Scope.RUN

    @extend_schema(operation_id="runs_resume", request=None, responses=RunDetailSerializer)
    def post(self, request: Request, run_id: UUID) -> Response:
        actions.resume_run(run=find_run(request, run_id), by=person_of(request))
        return Response(detail_of(find_run(request, run_id)))


class RetryView(APIView):
    """Go on with a run that failed or was cancelled, or fork a new one from it."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="runs_retry",
        parameters=[IDEMPOTENCY_KEY],
        request=RetrySerializer,
        responses={200: RunDetailSerializer, 202: StartedRunSerializer},
        description=(
            "Without a body the run goes on: what succeeded is kept, the rest starts anew (200). With `from`, `input` "
            "`version` or `draft` a new run starts that takes over whatever stays right (202)."
        ),
    )
    @idempotent
    def post(self, request: Request, run_id: UUID) -> Response:
        run = find_run(request, run_id)
        given = checked(RetrySerializer, request.data)
        if given:
            return _fork(run, given, person_of(request))
        actions.retry_run(run=run, by=person_of(request))
        return Response(detail_of(find_run(request, run_id)))


def _fork(run: Run, given: dict[str, Any], by: User) -> Response:
    version = chosen_version(run.workflow, given, by)
    try:
        fork = actions.fork_run(
            run=run, again=given.get("from", ()), input=given.get("input"), version=version, by=by
        )
    except InvalidInput as error:
        problems = [one if one.path.startswith("from[") else in_body(one) for one in error.problems]
        raise InvalidInput(problems=problems) from error
    return Response(accepted(fork), status=202, headers={"Location": f"/api/v1/runs/{fork.pk}"})


class NodeRetryView(APIView):
    """Start one failed node anew, with everything after it; also after the run has ended."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="nodes_retry",
        parameters=[OpenApiParameter("path", str, OpenApiParameter.PATH, description="`views[2].draft`")],
        request=None,
        responses=NodeRunSerializer,
    )
    def post(self, request: Request, run_id: UUID, path: str) -> Response:
        run = find_run(request, run_id)
        node: NodeRun | None = run.node_runs.filter(path=path).first()
        if node is None:
            raise Http404
        actions.retry_node(run=run, node=node, by=person_of(request))
        return Response(NodeRunSerializer(run.node_runs.get(path=path)).data)


class BulkView(APIView):
    """Cancel, pause, resume or retry many runs at once."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="runs_bulk",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=BulkSerializer,
        responses=BulkAnswerSerializer,
        description=(
            "At most 200 runs, each for itself: `results` says what came of every one. A `filter` takes only runs "
            "of the team that the action fits, the oldest first; while `has_more` is true, ask again."
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team, by = active_team(request), person_of(request)
        given = checked(BulkSerializer, request.data)
        visible = Run.objects.visible_to(by).select_related("workflow", "version")
        if "ids" in given:
            found = {run.pk: run for run in visible.filter(pk__in=given["ids"])}
            chosen, has_more = [found[key] for key in dict.fromkeys(given["ids"]) if key in found], False
        else:
            require(by, team.pk, Role.OPERATOR)
            fitting = visible.filter(team=team, status__in=BULK_ACTIONS[given["action"]].fits)
            page = list(filtered(fitting, given["filter"], by).order_by("pk")[: MOST_RUNS + 1])
            chosen, has_more = page[:MOST_RUNS], len(page) > MOST_RUNS
        answers = actions.act_on_runs(action=given["action"], runs=chosen, by=by)
        results = [_result(answer) for answer in answers]
        gone = set(given.get("ids", ())) - {run.pk for run in chosen}
        results += [_not_there(key) for key in given.get("ids", ()) if key in gone]
        done = sum(result["done"] for result in results)
        return Response(BulkAnswerSerializer({"results": results, "done": done, "has_more": has_more}).data)


def _result(answer: BulkAnswer) -> dict[str, Any]:
    error = answer.error
    return {
        "id": answer.run.pk,
        "done": error is None,
        "status": answer.run.status,
        "code": error.code if error else None,
        "detail": error.message if error else None,
    }


def _not_there(key: UUID) -> dict[str, Any]:
    detail = "There is no such run."
    return {"id": key, "done": False, "status": None, "code": "not_found", "detail": detail}
