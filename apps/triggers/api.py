"""Triggers over HTTP: make, change, rotate, preview, and what they did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.bodies import editor_body
from apps.accounts.idempotency import idempotent, never_store
from apps.accounts.models import User
from apps.accounts.pages import person_of
from apps.accounts.teams import active_team
from apps.triggers import actions, schedules
from apps.triggers.models import Kind, Trigger
from apps.triggers.serializers import (
    FiringSerializer,
    MadeTriggerSerializer,
    NewTriggerSerializer,
    SecretSerializer,
    TriggerChangesSerializer,
    TriggerSerializer,
    UpcomingSerializer,
)
from apps.workflows.models import Workflow
from orchestra.api import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    TEAM,
    PagedView,
    StrictSerializer,
    expected_revision,
    tagged,
)
from orchestra.errors import InvalidInput, Problem

PREVIEWED = 5


def find_trigger(request: Request, trigger_id: UUID) -> Trigger:
    """Return a trigger of any team of the person. Raises Http404."""
    found: Trigger = get_object_or_404(visible(person_of(request)), pk=trigger_id)
    return found


def visible(user: User) -> Any:
    """Return the triggers a person may see, with what their JSON shows."""
    rows = Trigger.objects.visible_to(user).with_last_run()
    return rows.select_related("workflow", "source", "owner", "team")


def body_of(serializer: type[StrictSerializer], request: Request, team_id: UUID) -> dict[str, Any]:
    """Return the validated body of an editor, workflows looked up. Raises NotPermitted before it looks."""
    given = editor_body(serializer, request, team_id)
    for field in ("workflow", "source"):
        if given.get(field) is not None:
            given[field] = _workflow(given[field], field, team_id)
    return given


def _workflow(key: str, field: str, team_id: UUID) -> Workflow:
    try:
        wanted = Q(pk=UUID(key))
    except ValueError:
        wanted = Q(slug=key)
    found: Workflow | None = Workflow.objects.filter(wanted, team_id=team_id).first()
    if found is None:
        raise InvalidInput(problems=[Problem(field, "unknown", "There is no such workflow.")])
    return found


class TriggersView(PagedView):
    """The triggers of a team."""

    @extend_schema(
        operation_id="triggers_list",
        parameters=[
            TEAM,
            OpenApiParameter("kind", str, enum=Kind.values),
            OpenApiParameter("workflow", str, description="Short name of the workflow that it starts."),
        ],
        responses=TriggerSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        rows = visible(person_of(request)).filter(team=active_team(request))
        if (kind := request.query_params.get("kind")) is not None:
            if kind not in Kind.values:
                raise ValidationError({"kind": [f"There is no kind {kind[:40]!r}."]})
            rows = rows.filter(kind=kind)
        if (workflow := request.query_params.get("workflow")) is not None:
            rows = rows.filter(workflow__slug=workflow)
        return self.page(rows, TriggerSerializer)

    @extend_schema(
        operation_id="triggers_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewTriggerSerializer,
        responses={201: MadeTriggerSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        given = body_of(NewTriggerSerializer, request, team.pk)
        made, secret = actions.create_trigger(team=team, by=person_of(request), **given)
        data = {**TriggerSerializer(made).data, "secret": secret}
        response = tagged(request, made, data, status=201)
        response.headers["Location"] = f"/api/v1/triggers/{made.pk}"
        return never_store(response) if secret else response


class TriggerView(APIView):
    """One trigger."""

    @extend_schema(operation_id="triggers_read", responses=TriggerSerializer)
    def get(self, request: Request, trigger_id: UUID) -> Response:
        trigger = find_trigger(request, trigger_id)
        return tagged(request, trigger, TriggerSerializer(trigger).data)

    @extend_schema(
        operation_id="triggers_update",
        parameters=[IF_MATCH],
        request=TriggerChangesSerializer,
        responses=TriggerSerializer,
        description="`is_enabled` pauses and resumes; a schedule that goes on catches nothing up.",
    )
    def patch(self, request: Request, trigger_id: UUID) -> Response:
        trigger = find_trigger(request, trigger_id)
        given = body_of(TriggerChangesSerializer, request, trigger.team_id)
        revision = expected_revision(request, trigger)
        actions.update_trigger(trigger=trigger, revision=revision, by=person_of(request), **given)
        saved = find_trigger(request, trigger_id)
        return tagged(request, saved, TriggerSerializer(saved).data)

    @extend_schema(operation_id="triggers_delete", request=None, responses={204: None})
    def delete(self, request: Request, trigger_id: UUID) -> Response:
        actions.delete_trigger(trigger=find_trigger(request, trigger_id), by=person_of(request))
        return Response(status=204)


class RotateView(APIView):
    """Give a webhook a new secret; the one before holds for another day."""

    @extend_schema(operation_id="triggers_rotate", request=None, responses=SecretSerializer)
    def post(self, request: Request, trigger_id: UUID) -> Response:
        trigger = find_trigger(request, trigger_id)
        return Response({"secret": actions.rotate_secret(trigger=trigger, by=person_of(request))})


class FiringsView(PagedView):
    """What a trigger did, newest first: due times, deliveries, ends of runs, forms."""

    @extend_schema(operation_id="triggers_firings", responses=FiringSerializer(many=True))
    def get(self, request: Request, trigger_id: UUID) -> Response:
        return self.page(find_trigger(request, trigger_id).firings.all(), FiringSerializer)


class UpcomingView(APIView):
    """The next five times of a schedule that need not be saved yet."""

    @extend_schema(
        operation_id="triggers_upcoming",
        parameters=[
            OpenApiParameter("cron", str, required=True, description="`30 8 * * 1-5`"),
            OpenApiParameter("time_zone", str, description="Such as `Europe/Berlin`; UTC when not given."),
        ],
        responses=UpcomingSerializer,
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        now = timezone.now()
        cron, zone = query.get("cron", ""), query.get("time_zone", "UTC")
        try:
            schedules.check(cron, zone, now)
        except schedules.BadSchedule as error:
            raise ValidationError({"cron": [str(error)]}) from error
        return Response({"results": schedules.upcoming(cron, zone, now, PREVIEWED)})
