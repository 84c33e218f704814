"""Effects over HTTP: what is known of one that may happen once only, and the word of a person about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.pages import person_of
from apps.accounts.scopes import Scope
from apps.runs import actions
from apps.runs.api import find_run
from apps.runs.ledger import Decision, EffectState
from apps.runs.serializers import NodeRunSerializer, Out, ValueField
from orchestra.api import StrictSerializer

PATH = OpenApiParameter("path", str, OpenApiParameter.PATH, description="`views[2].draft`")


class EffectSerializer(Out):
    path = serializers.CharField()
    state = serializers.ChoiceField(EffectState.choices)
    reason = serializers.CharField(help_text="Why its outcome is unknown.")
    late_output = ValueField(help_text="What a worker reported that had been given up; never applied.")
    decision = serializers.ChoiceField(Decision.choices, allow_blank=True)
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)
    prepared_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)


class EffectDecisionSerializer(StrictSerializer):
    decision = serializers.ChoiceField(Decision.choices)
    output = ValueField(required=False, allow_null=True, help_text="Of the node, when it happened.")


class EffectView(APIView):
    """The effect of a node with `effect: once`."""

    scope = Scope.RUN

    @extend_schema(operation_id="nodes_effect", parameters=[PATH], responses=EffectSerializer)
    def get(self, request: Request, run_id: UUID, path: str) -> Response:
        found = find_run(request, run_id).effects.select_related("decided_by").filter(path=path).first()
        if found is None:
            raise Http404
        return Response(EffectSerializer(found).data)

    @extend_schema(
        operation_id="nodes_effect_decide",
        parameters=[PATH],
        request=EffectDecisionSerializer,
        responses=NodeRunSerializer,
        description="For a node that waits for `effect`: `happened` ends it with `output`, `retry` sends it again, "
        "`give_up` fails it. Of two decisions the second is 409.",
    )
    def post(self, request: Request, run_id: UUID, path: str) -> Response:
        run = find_run(request, run_id)
        given = EffectDecisionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said: dict[str, Any] = given.validated_data
        node = actions.decide_effect(
            run=run,
            path=path,
            decision=said["decision"],
            output=said.get("output"),
            by=person_of(request),
        )
        return Response(NodeRunSerializer(node).data)
