"""The kinds of nodes over HTTP: what a definition may name, with the schemas of their settings."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.scopes import Scope
from orchestra.engine import plugins
from orchestra.engine.nodes import KINDS

Out = serializers.Serializer[Any]


class KindSerializer(Out):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    queue = serializers.CharField(help_text="`inline`: any worker runs it in passing.")
    schema = serializers.DictField(help_text="JSON Schema of the settings.")
    fields_of_output = serializers.ListField(
        child=serializers.CharField(), source="fields", help_text="Empty: any JSON."
    )
    is_available = serializers.BooleanField()
    can_be_cached = serializers.BooleanField(source="works")
    can_act_once = serializers.BooleanField(source="acts")
    package = serializers.SerializerMethodField(help_text="Empty for the product's own.")

    def get_package(self, kind: Any) -> str:
        return plugins.package_of(kind.name)


class KindPageSerializer(Out):
    results = KindSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class KindsView(APIView):
    """Every kind of node, those of installed packages included; all on one page."""

    scope = Scope.READ

    @extend_schema(operation_id="kinds_list", responses=KindPageSerializer)
    def get(self, request: Request) -> Response:
        page = {"results": list(KINDS.values()), "next": None, "previous": None}
        return Response(KindPageSerializer(page).data)
