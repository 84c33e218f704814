"""Approvals over HTTP: what is asked of people, and their decisions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.pages import person_of
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team
from apps.runs import actions
from apps.runs.models import DECISION_CHOICES, Approval, ApprovalStatus
from apps.runs.serializers import ObjectField, Out, ValueField
from orchestra.api import TEAM, PagedView, StrictSerializer, checked


class VoteSerializer(Out):
    by = serializers.CharField(source="by.username", default=None, allow_null=True)
    decision = serializers.ChoiceField(DECISION_CHOICES)
    comment = serializers.CharField()
    form = ObjectField(allow_null=True)
    at = serializers.DateTimeField()


class ApprovalSerializer(Out):
    id = serializers.UUIDField()
    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="run.workflow.slug")
    node = serializers.CharField(source="path")
    status = serializers.ChoiceField(ApprovalStatus.choices)
    title = serializers.CharField()
    body = serializers.CharField(help_text="Markdown.")
    form = ObjectField(allow_null=True, help_text="JSON Schema of what is filled in to approve.")
    call = ObjectField(
        allow_null=True,
        help_text="Of a call of a tool: `{tool, arguments, digest}`; the yes is for these arguments.",
    )
    assignees = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: the operators of the team."
    )
    quorum = serializers.IntegerField(help_text="How many people must approve.")
    requested_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(source="due_at", allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)
    votes = VoteSerializer(many=True, source="votes.all")


class ApprovalDecisionSerializer(StrictSerializer):
    decision = serializers.ChoiceField(DECISION_CHOICES)
    comment = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    form = ValueField(required=False, help_text="Fits the approval's `form`; only needed to approve.")


def visible(request: Request) -> QuerySet[Approval, Approval]:
    found: QuerySet[Approval, Approval] = Approval.objects.visible_to(person_of(request))
    return (
        found.select_related("run__workflow", "decided_by")
        .defer("run__input", "run__output", "run__workflow__draft", "run__workflow__draft_text")
        .prefetch_related("votes__by")
    )


def find_approval(request: Request, approval_id: UUID) -> Approval:
    """Return an approval that the person may see. Raises Http404."""
    found = visible(request).filter(pk=approval_id).first()
    if found is None:
        raise Http404
    return found


class ApprovalsView(PagedView):
    """What the runs of a team ask people, newest first."""

    @extend_schema(
        operation_id="approvals_list",
        parameters=[
            TEAM,
            OpenApiParameter("status", str, enum=ApprovalStatus.values),
            OpenApiParameter("mine", str, enum=["1"], description="Only what you are asked to decide."),
        ],
        responses=ApprovalSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        team = active_team(request)
        found = visible(request).filter(Q(team=team) | Q(assigned_teams=team)).distinct()
        status, mine = request.query_params.get("status"), request.query_params.get("mine")
        if status is not None:
            if status not in ApprovalStatus.values:
                raise ValidationError({"status": [f"There is no status {status[:40]!r}."]})
            found = found.filter(status=status)
        if mine is not None:
            asked = Approval.objects.for_decider(person_of(request)).values("pk")
            found = found.filter(pk__in=asked)
        return self.page(found, ApprovalSerializer)


class ApprovalView(APIView):
    """One approval."""

    @extend_schema(operation_id="approvals_read", responses=ApprovalSerializer)
    def get(self, request: Request, approval_id: UUID) -> Response:
        return Response(ApprovalSerializer(find_approval(request, approval_id)).data)


class DecideView(APIView):
    """Decide an approval: once; whoever comes second gets a conflict."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="approvals_decide", request=ApprovalDecisionSerializer, responses=ApprovalSerializer
    )
    def post(self, request: Request, approval_id: UUID) -> Response:
        found = find_approval(request, approval_id)
        given: dict[str, Any] = checked(ApprovalDecisionSerializer, request.data)
        actions.decide_approval(approval=found, by=person_of(request), **given)
        return Response(ApprovalSerializer(find_approval(request, approval_id)).data)
