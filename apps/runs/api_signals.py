"""Signals over HTTP: telling a run something by name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.idempotency import idempotent
from apps.accounts.pages import person_of
from apps.accounts.scopes import Scope
from apps.runs import actions
from apps.runs.api import find_run
from apps.runs.serializers import ANY_JSON, Out
from orchestra.api import IDEMPOTENCY_KEY


class DeliverySerializer(Out):
    name = serializers.CharField()
    woken = serializers.ListField(child=serializers.CharField(), help_text="Paths of the nodes it woke.")
    is_kept = serializers.BooleanField(help_text="No node waited for it; the first that will takes it.")


class SignalView(APIView):
    """Send a signal to a run; the body is its payload, any JSON value of at most 64 KiB."""

    scope = Scope.RUN

    @extend_schema(
        operation_id="runs_signal",
        parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH), IDEMPOTENCY_KEY],
        request={"application/json": ANY_JSON},
        responses=DeliverySerializer,
        description="Wakes every `wait` node of the run that waits for this signal; kept when none does yet, "
        "up to 100 signals a run. Each call is a signal of its own.",
    )
    @idempotent
    def post(self, request: Request, run_id: UUID, name: str) -> Response:
        run = find_run(request, run_id)
        payload: Any = request.data if request.content_type else None
        delivery = actions.send_signal(run=run, name=name, payload=payload, by=person_of(request))
        answer = {"name": name, "woken": delivery.woken, "is_kept": delivery.is_kept}
        return Response(DeliverySerializer(answer).data)
