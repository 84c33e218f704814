"""Budgets over HTTP: how they stand, make, change, delete."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.idempotency import idempotent
from apps.accounts.models import Role
from apps.accounts.pages import person_of
from apps.accounts.rights import require
from apps.accounts.scopes import Scope
from apps.accounts.teams import active_team
from apps.usage import actions
from apps.usage.models import Budget
from apps.usage.serializers import BudgetChangesSerializer, BudgetSerializer, NewBudgetSerializer
from apps.usage.standing import stand
from orchestra.api import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    TEAM,
    PagedView,
    checked,
    created,
    expected_revision,
    tagged,
)


def find_budget(request: Request, budget_id: UUID) -> Budget:
    """Return a budget of any team of the person. Raises Http404."""
    found: Budget = get_object_or_404(Budget.objects.visible_to(person_of(request)), pk=budget_id)
    return found


class BudgetsView(PagedView):
    """The budgets of a team."""

    scope = Scope.ADMIN
    filters = ()

    @extend_schema(operation_id="budgets_list", parameters=[TEAM], responses=BudgetSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = Budget.objects.visible_to(person_of(request)).filter(team=active_team(request))
        return self.page(rows, lambda found, many: BudgetSerializer(stand(found), many=many))

    @extend_schema(
        operation_id="budgets_create",
        parameters=[TEAM, IDEMPOTENCY_KEY],
        request=NewBudgetSerializer,
        responses={201: BudgetSerializer},
        description="Bound what a team, person, workflow, agent or run may spend. What the span cost so far counts.",
    )
    @idempotent
    def post(self, request: Request) -> Response:
        team = active_team(request)
        require(person_of(request), team.pk, Role.OWNER)
        given = checked(NewBudgetSerializer, request.data)
        made = actions.create_budget(team=team, by=person_of(request), **given)
        return created(request, made, BudgetSerializer(stand([made])[0]).data, f"/api/v1/budgets/{made.pk}")


class BudgetView(APIView):
    """One budget."""

    scope = Scope.ADMIN

    @extend_schema(operation_id="budgets_read", responses=BudgetSerializer)
    def get(self, request: Request, budget_id: UUID) -> Response:
        found = find_budget(request, budget_id)
        return Response(
            BudgetSerializer(stand([found])[0]).data, headers=tagged(request, found, None).headers
        )

    @extend_schema(
        operation_id="budgets_update",
        parameters=[IF_MATCH],
        request=BudgetChangesSerializer,
        responses=BudgetSerializer,
    )
    def patch(self, request: Request, budget_id: UUID) -> Response:
        found = find_budget(request, budget_id)
        require(person_of(request), found.team_id, Role.OWNER)
        given = checked(BudgetChangesSerializer, request.data)
        revision = expected_revision(request, found)
        saved = actions.update_budget(budget=found, by=person_of(request), revision=revision, **given)
        return tagged(request, saved, BudgetSerializer(stand([saved])[0]).data)

    @extend_schema(operation_id="budgets_delete", request=None, responses={204: None})
    def delete(self, request: Request, budget_id: UUID) -> Response:
        actions.delete_budget(budget=find_budget(request, budget_id), by=person_of(request))
        return Response(status=204)
