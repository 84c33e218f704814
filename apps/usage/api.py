"""Usage over HTTP: sums by day, model, workflow and more, as JSON or CSV, and the calls behind them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.pages import person_of
from apps.accounts.teams import active_team
from apps.usage.serializers import (
    CallFilters,
    ModelCallSerializer,
    UsageFilters,
    UsageSumsSerializer,
    only_of,
    period_of,
)
from apps.usage.spreadsheet import as_csv
from apps.usage.sums import calls_of, grouped, total_of
from orchestra.api import PagedView, checked


class CSVRenderer(BaseRenderer):
    """Text that is CSV already; a problem is JSON here as everywhere."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        return data if isinstance(data, str) else JSONRenderer().render(data)


class UsageView(APIView):
    """What a team's calls of models used and cost."""

    renderer_classes = [JSONRenderer, CSVRenderer]

    @extend_schema(
        operation_id="usage_read",
        parameters=[UsageFilters],
        responses={
            (200, "application/json"): UsageSumsSerializer,
            (200, "text/csv"): OpenApiResponse(str, description="The same lines as CSV"),
        },
        description="Tokens and money in a period, by day or another group; the total is of all that was asked for.",
    )
    def get(self, request: Request) -> Response:
        user, team = person_of(request), active_team(request)
        given = checked(UsageFilters, request.query_params.dict())
        period, by = period_of(given, user), given["group_by"]
        rows = calls_of(user, team, period, only_of(given, user))
        lines = grouped(rows, by, period)
        if request.accepted_renderer.format == CSVRenderer.format:
            name = f"usage-{team.slug}-{by}-{period.since}-{period.until}.csv"
            return Response(
                as_csv(by, lines), headers={"Content-Disposition": f'attachment; filename="{name}"'}
            )
        answer = {
            "since": period.since,
            "until": period.until,
            "time_zone": period.zone.key,
            "currency": settings.ORCHESTRA_CURRENCY,
            "group_by": by,
            "results": lines,
            "total": total_of(rows),
        }
        return Response(UsageSumsSerializer(answer).data)


class CallsView(PagedView):
    """The calls behind the sums."""

    @extend_schema(
        operation_id="usage_calls",
        parameters=[CallFilters],
        responses=ModelCallSerializer(many=True),
        description="Each call of a model, newest first, with the price it was charged at.",
    )
    def get(self, request: Request) -> Response:
        user, team = person_of(request), active_team(request)
        given = checked(CallFilters, request.query_params.dict())
        rows = calls_of(user, team, period_of(given, user), only_of(given, user))
        return self.page(rows.select_related("user").order_by("-id"), ModelCallSerializer)
