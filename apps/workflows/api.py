"""Workflows over HTTP: lists, drafts, checks, import and export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.idempotency import idempotent
from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team, team_of
from apps.workflows import actions
from apps.workflows.models import Workflow
from apps.workflows.remarks import remarks
from apps.workflows.serializers import (
    CheckedSerializer,
    DefinitionSerializer,
    DraftChangeSerializer,
    DraftSerializer,
    NewWorkflowSerializer,
    WorkflowChangesSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)
from apps.workflows.tags import with_tag
from apps.workflows.yaml_text import draft_text, version_text
from orchestra.api import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    TEAM,
    PagedView,
    StrictJSONParser,
    YAMLRenderer,
    YAMLTextParser,
    checked,
    expected_revision,
    tagged,
)
from orchestra.engine.canvas_text import as_tree
from orchestra.errors import InvalidWorkflow, Problem

LIST_PARAMETERS = [
    TEAM,
    OpenApiParameter("q", str, description="Part of the name, the short name or the description."),
    OpenApiParameter("tag", str),
    OpenApiParameter("archived", bool, description="Show the archived ones instead."),
]


def workflows_of(request: Request) -> QuerySet[Workflow, Workflow]:
    """Return the workflows of the request's team."""
    found: QuerySet[Workflow, Workflow] = Workflow.objects.visible_to(person_of(request))
    return found.filter(team=active_team(request)).select_related("published", "created_by")


READ_BY_STARTS = ("id", "team_id", "slug", "published_id", "max_runs", "archived_at")
"""Columns that a start of a run looks at."""


def find_workflow(request: Request, key: str) -> Workflow:
    """Return a workflow by its short name in the request's team, or by id in any team of the person.

    Raises Http404.
    """
    return _only(_named(request, key).select_related("published", "created_by"))


def find_startable(request: Request, key: str) -> Workflow:
    """Return a workflow as `find_workflow` does, with what starting a run of it takes. Raises Http404."""
    return _only(_named(request, key).only(*READ_BY_STARTS))


def _named(request: Request, key: str) -> QuerySet[Workflow, Workflow]:
    visible: QuerySet[Workflow, Workflow] = Workflow.objects.visible_to(person_of(request))
    try:
        return visible.filter(pk=UUID(key))
    except ValueError:
        return visible.filter(team=active_team(request), slug=key)


def _only(found: QuerySet[Workflow, Workflow]) -> Workflow:
    workflow = found.first()
    if workflow is None:
        raise Http404
    return workflow


class WorkflowsView(PagedView):
    """The workflows of a team."""

    filters = ("archived", "q", "tag")

    @extend_schema(
        operation_id="workflows_list", parameters=LIST_PARAMETERS, responses=WorkflowSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        is_archived = query.get("archived", "") in {"1", "true", "True"}
        found = workflows_of(request).filter(archived_at__isnull=not is_archived)
        found = found.defer(
            "draft", "draft_text", "published__definition", "published__plan", "published__text"
        )
        if text := query.get("q", "").strip()[:200]:
            found = found.filter(
                Q(name__icontains=text) | Q(slug__icontains=text) | Q(description__icontains=text)
            )
        if tag := query.get("tag", ""):
            found = with_tag(found, tag)
        return self.page(found, WorkflowSerializer)

    @extend_schema(
        operation_id="workflows_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewWorkflowSerializer,
        responses={201: WorkflowDetailSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        require(person_of(request), team.pk, Role.EDITOR)
        given = checked(NewWorkflowSerializer, request.data)
        return created(request, actions.create_workflow(team=team, by=person_of(request), **given))


class DefinitionsView(WorkflowsView):
    """Workflows under the name that the requirements use."""

    @extend_schema(
        operation_id="definitions_list", parameters=LIST_PARAMETERS, responses=WorkflowSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        operation_id="definitions_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewWorkflowSerializer,
        responses={201: WorkflowDetailSerializer},
    )
    def post(self, request: Request) -> Response:
        return super().post(request)


class WorkflowView(APIView):
    """One workflow."""

    @extend_schema(operation_id="workflows_read", parameters=[TEAM], responses=WorkflowDetailSerializer)
    def get(self, request: Request, slug: str) -> Response:
        workflow = find_workflow(request, slug)
        return tagged(request, workflow, WorkflowDetailSerializer(workflow).data)

    @extend_schema(
        operation_id="workflows_update",
        parameters=[TEAM, IF_MATCH],
        request=WorkflowChangesSerializer,
        responses=WorkflowDetailSerializer,
    )
    def patch(self, request: Request, slug: str) -> Response:
        workflow = find_workflow(request, slug)
        by = person_of(request)
        require(by, workflow.team_id, Role.EDITOR)
        given = checked(WorkflowChangesSerializer, request.data)
        changes = given
        revision = expected_revision(request, workflow)
        is_archived = changes.pop("is_archived", None)
        if is_archived is False:
            actions.unarchive_workflow(workflow=workflow, by=by)
        if changes:
            actions.update_workflow(workflow=workflow, revision=revision, by=by, **changes)
        if is_archived is True:
            actions.archive_workflow(workflow=workflow, by=by)
        workflow = find_workflow(request, str(workflow.pk))
        return tagged(request, workflow, WorkflowDetailSerializer(workflow).data)

    @extend_schema(operation_id="workflows_archive", parameters=[TEAM], request=None, responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        actions.archive_workflow(workflow=find_workflow(request, slug), by=person_of(request))
        return Response(status=204)


class DraftView(APIView):
    """The draft of a workflow."""

    @extend_schema(operation_id="workflows_draft_read", parameters=[TEAM], responses=DraftSerializer)
    def get(self, request: Request, slug: str) -> Response:
        workflow = find_workflow(request, slug)
        return tagged(request, workflow, DraftSerializer(workflow).data)

    @extend_schema(
        operation_id="workflows_draft_save",
        parameters=[TEAM, IF_MATCH],
        request=DraftChangeSerializer,
        responses=DraftSerializer,
    )
    def put(self, request: Request, slug: str) -> Response:
        workflow = find_workflow(request, slug)
        require(person_of(request), workflow.team_id, Role.EDITOR)
        revision = expected_revision(request, workflow)
        given = checked(DraftChangeSerializer, request.data)
        saved = actions.save_draft(workflow=workflow, revision=revision, by=person_of(request), **given)
        return tagged(request, saved, DraftSerializer(saved).data)


class ValidateView(APIView):
    """Everything that is wrong with a definition; nothing is saved, nothing runs."""

    scope = Scope.READ

    @extend_schema(
        operation_id="workflows_validate", request=DefinitionSerializer, responses={200: CheckedSerializer}
    )
    def post(self, request: Request) -> Response:
        given = checked(DefinitionSerializer, request.data)
        text = given.get("text")
        definition, problems = given.get("definition"), list[Problem]()
        if text is not None:
            definition, problems = actions.read_text(text)
        plan = None
        if definition is not None:
            team = team_of(request)
            problems, plan = actions.check(definition, team=team.pk if team else None)
        tree = as_tree(plan) if plan is not None else None
        return Response({"valid": not problems, "problems": listed(problems, text or ""), "plan": tree})


class ImportView(APIView):
    """A new workflow from a YAML file, or from the same JSON as a new workflow."""

    parser_classes = [StrictJSONParser, YAMLTextParser]

    @extend_schema(
        operation_id="workflows_import",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request={"application/yaml": str, "application/json": NewWorkflowSerializer},
        responses={201: WorkflowDetailSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        require(person_of(request), team.pk, Role.EDITOR)
        body: Any = request.data
        data = {"text": body} if isinstance(body, str) else body
        given = checked(NewWorkflowSerializer, data)
        if not {"text", "definition"} & given.keys():
            raise InvalidWorkflow(
                "There is no definition in this; send YAML, or `text` or `definition` as JSON."
            )
        return created(request, actions.create_workflow(team=team, by=person_of(request), **given))


class ExportView(APIView):
    """The draft, or a version, as a YAML file."""

    renderer_classes = [YAMLRenderer]

    @extend_schema(
        operation_id="workflows_export",
        parameters=[
            TEAM,
            OpenApiParameter("version", int, description="A version's number. Default: the draft."),
        ],
        responses={(200, "application/yaml"): OpenApiResponse(str, description="The definition as YAML")},
    )
    def get(self, request: Request, slug: str) -> Response:
        workflow = find_workflow(request, slug)
        number = request.query_params.get("version", "")
        name = f"{workflow.slug}-v{number}" if number else workflow.slug
        if number:
            version = workflow.versions.filter(number=number).first() if number.isdecimal() else None
            if version is None:
                raise Http404
            text = version_text(version)
        else:
            text = draft_text(workflow)
        return Response(text, headers={"Content-Disposition": f'attachment; filename="{name}.yaml"'})


def created(request: Request, workflow: Workflow) -> Response:
    """Answer 201 with the new workflow, where it is and its tag."""
    workflow = find_workflow(request, str(workflow.pk))
    response = tagged(request, workflow, WorkflowDetailSerializer(workflow).data, status=201)
    response.headers["Location"] = f"/api/v1/workflows/{workflow.slug}"
    return response


def listed(problems: Sequence[Problem], text: str) -> list[dict[str, Any]]:
    """Return problems as JSON, in the order of the text's lines and with the line where there is one."""
    found = [asdict(remark) for remark in remarks(text, [problem.as_json() for problem in problems])]
    return [{key: value for key, value in entry.items() if value is not None} for entry in found]
