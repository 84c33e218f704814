"""Versions of workflows over HTTP: publish, read, compare, go back."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.idempotency import idempotent
from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from apps.workflows import actions
from apps.workflows.api import find_workflow
from apps.workflows.differences import changes, text_difference
from apps.workflows.models import WorkflowVersion
from apps.workflows.serializers import (
    DifferenceSerializer,
    NewVersionSerializer,
    PlanSerializer,
    VersionDetailSerializer,
    VersionSerializer,
)
from orchestra.api import IDEMPOTENCY_KEY, TEAM, PagedView, checked
from orchestra.engine.canvas_text import as_text, as_tree
from orchestra.engine.codec import plan_from_json


def find_version(request: Request, slug: str, number: int) -> WorkflowVersion:
    """Return a version of a workflow that the person may see. Raises Http404."""
    workflow = find_workflow(request, slug)
    found = workflow.versions.select_related("created_by").filter(number=number).first()
    if found is None:
        raise Http404
    found.workflow = workflow
    return found


class VersionsView(PagedView):
    """The versions of a workflow, newest first."""

    @extend_schema(operation_id="versions_list", parameters=[TEAM], responses=VersionSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        found = find_workflow(request, slug).versions.select_related("created_by")
        return self.page(found.defer("definition", "plan", "text"), VersionSerializer)

    @extend_schema(
        operation_id="versions_publish",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewVersionSerializer,
        responses={201: VersionDetailSerializer, 200: VersionDetailSerializer},
        description="Publish the draft, or this definition. 200: nothing changed since the latest version.",
    )
    @idempotent
    def post(self, request: Request, slug: str) -> Response:
        workflow = find_workflow(request, slug)
        require(person_of(request), workflow.team_id, Role.EDITOR)
        given = checked(NewVersionSerializer, request.data)
        newest = latest_number(workflow.pk)
        version = actions.publish(workflow=workflow, by=person_of(request), **given)
        return Response(VersionDetailSerializer(version).data, status=201 if version.number > newest else 200)


class VersionView(APIView):
    """One version, as it was frozen."""

    @extend_schema(operation_id="versions_read", parameters=[TEAM], responses=VersionDetailSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        return Response(VersionDetailSerializer(find_version(request, slug, number)).data)


class PlanView(APIView):
    """The canvas that a version compiles to."""

    @extend_schema(operation_id="versions_plan", parameters=[TEAM], responses=PlanSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        plan = plan_from_json(find_version(request, slug, number).plan)
        return Response({"number": number, "plan": as_tree(plan), "text": as_text(plan)})


class DifferenceView(APIView):
    """What changed from another version to this one."""

    @extend_schema(
        operation_id="versions_diff",
        parameters=[
            TEAM,
            OpenApiParameter("with", int, description="The other version. Default: the one before."),
        ],
        responses=DifferenceSerializer,
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        new = find_version(request, slug, number)
        raw = request.query_params.get("with", str(max(1, number - 1)))
        if not (raw.isascii() and raw.isdecimal() and len(raw) < 10):
            raise ValidationError({"with": ["Give the number of a version."]})
        old = find_version(request, slug, int(raw))
        text = text_difference(
            old.definition, new.definition, old_name=f"v{old.number}", new_name=f"v{new.number}"
        )
        return Response(
            {
                "old": old.number,
                "new": new.number,
                "changes": changes(old.definition, new.definition),
                "text": text,
            }
        )


class RestoreView(APIView):
    """Go back: this version's definition becomes the draft and the newest version."""

    @extend_schema(
        operation_id="versions_restore",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=None,
        responses={201: VersionDetailSerializer, 200: VersionDetailSerializer},
        description="200: this is what the newest version says already.",
    )
    @idempotent
    def post(self, request: Request, slug: str, number: int) -> Response:
        version = find_version(request, slug, number)
        newest = latest_number(version.workflow_id)
        restored = actions.restore_version(version=version, by=person_of(request))
        return Response(
            VersionDetailSerializer(restored).data, status=201 if restored.number > newest else 200
        )


def latest_number(workflow_id: UUID) -> int:
    """Return the number of a workflow's newest version, 0 without any."""
    newest = WorkflowVersion.objects.filter(workflow_id=workflow_id).order_by("-number")
    return newest.values_list("number", flat=True).first() or 0
