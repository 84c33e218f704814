"""The JSON shapes of tools and their servers; a secret goes in and never comes out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.tools.models import CallState, Policy
from orchestra.api import StrictSerializer

Out = serializers.Serializer[Any]


@extend_schema_field({"type": "object", "additionalProperties": True})
class ArgumentsField(serializers.JSONField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("This is not an object.", code="bad_type")
        return data


class ToolSerializer(Out):
    id = serializers.UUIDField(source="pk")
    name = serializers.CharField(help_text="As nodes and agents name it.")
    kind = serializers.CharField(help_text="`http`, `workflow` or `mcp`.")
    server = serializers.CharField(source="server.slug", default=None, allow_null=True)
    title = serializers.CharField()
    description = serializers.CharField()
    schema = ArgumentsField(help_text="JSON Schema of the arguments.")
    policy = serializers.ChoiceField(Policy.choices)
    is_safe = serializers.BooleanField(help_text="A call changes nothing and may be repeated.")
    is_enabled = serializers.BooleanField()
    is_served = serializers.BooleanField(help_text="Of a workflow: a tool of `/mcp` too.")
    offered = ArgumentsField(
        allow_null=True,
        help_text="What the server says now, when that is not what was accepted; then the tool is not called.",
    )
    revision = serializers.IntegerField()
    updated_at = serializers.DateTimeField()


class FunctionToolSerializer(Out):
    """A function of the installation: every team may call it."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    schema = ArgumentsField(help_text="JSON Schema of the arguments.")
    is_safe = serializers.BooleanField()


class FunctionPageSerializer(Out):
    results = FunctionToolSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class NewToolSerializer(StrictSerializer):
    """A workflow that nodes and agents may call."""

    workflow = serializers.CharField(max_length=80, help_text="Short name.")
    name = serializers.CharField(max_length=60, required=False)
    title = serializers.CharField(max_length=200, required=False, allow_blank=True)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    schema = ArgumentsField(required=False, help_text="Of the workflow's inputs; the run checks them anyway.")
    policy = serializers.ChoiceField(Policy.choices, required=False)
    is_served = serializers.BooleanField(required=False)


class ToolChangesSerializer(StrictSerializer):
    title = serializers.CharField(max_length=200, required=False, allow_blank=True)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    policy = serializers.ChoiceField(Policy.choices, required=False)
    is_safe = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)
    is_served = serializers.BooleanField(required=False)


class ToolCallSerializer(StrictSerializer):
    tool = serializers.CharField(max_length=200)
    arguments = ArgumentsField(required=False)


class ToolTestSerializer(Out):
    """How the call went; `code`, `message` and `hint` say what to do when it is not ok."""

    is_ok = serializers.BooleanField()
    seconds = serializers.FloatField()
    result = serializers.JSONField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class ServerSerializer(Out):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="`openapi`, `mcp` or `stdio`.")
    url = serializers.CharField()
    program = serializers.CharField()
    has_secret = serializers.SerializerMethodField()
    secret_hint = serializers.CharField()
    secret_header = serializers.CharField()
    calls_per_minute = serializers.IntegerField(allow_null=True)
    calls_per_day = serializers.IntegerField(allow_null=True)
    is_enabled = serializers.BooleanField()
    protocol = serializers.CharField()
    read_at = serializers.DateTimeField(allow_null=True)
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_has_secret(self, server: Any) -> bool:
        return bool(server.secret)


class NewMcpServerSerializer(StrictSerializer):
    """An MCP server: its address, or a program that the operator allows by name."""

    name = serializers.CharField(max_length=80)
    slug = serializers.CharField(max_length=60, required=False, help_text="Default: made from the name.")
    url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    program = serializers.CharField(max_length=80, required=False, allow_blank=True)
    secret = serializers.CharField(
        max_length=4096, required=False, allow_blank=True, write_only=True, help_text="Write-only."
    )
    secret_header = serializers.CharField(max_length=80, required=False)
    calls_per_minute = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    calls_per_day = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    is_enabled = serializers.BooleanField(required=False)


class ServerTestSerializer(Out):
    """How the server answered; `code`, `message` and `hint` say what to do when it is not ok."""

    is_ok = serializers.BooleanField()
    seconds = serializers.FloatField()
    protocol = serializers.CharField(help_text="Version of MCP that was agreed upon.")
    tools = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(
        child=serializers.CharField(), help_text="Tools that are not what was accepted any more."
    )
    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class ServerChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80, required=False)
    url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    secret = serializers.CharField(
        max_length=4096,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Write-only; empty removes it.",
    )
    secret_header = serializers.CharField(max_length=80, required=False)
    calls_per_minute = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    calls_per_day = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    is_enabled = serializers.BooleanField(required=False)


class ImportSerializer(StrictSerializer):
    """An OpenAPI 3 document: its text, or where it is."""

    document = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    document_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    slug = serializers.CharField(max_length=60, required=False)
    base_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    secret = serializers.CharField(max_length=4096, required=False, allow_blank=True, write_only=True)
    secret_header = serializers.CharField(max_length=80, required=False)


class UseSerializer(Out):
    """One call of a tool."""

    tool = serializers.CharField()
    state = serializers.ChoiceField(CallState.choices)
    run = serializers.UUIDField(allow_null=True)
    node = serializers.CharField(source="path")
    attempt = serializers.IntegerField()
    user = serializers.UUIDField(allow_null=True, help_text="On whose behalf.")
    arguments_hash = serializers.CharField(source="digest", help_text="SHA-256 of the arguments.")
    code = serializers.CharField()
    seconds = serializers.FloatField()
    at = serializers.DateTimeField()
