"""The JSON shapes of connections and agents; a secret goes in and never comes out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.agents.models import BreakerState, Dialect
from orchestra.api import StrictSerializer

Out = serializers.Serializer[Any]


@extend_schema_field({"type": "object", "additionalProperties": True})
class OptionsField(serializers.JSONField):
    """Further settings: one JSON object."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("This is not an object.", code="bad_type")
        return data


class BreakerSerializer(Out):
    """The circuit breaker of a connection: while it is open nothing is sent to the provider."""

    state = serializers.ChoiceField(BreakerState.choices)
    until = serializers.DateTimeField(
        allow_null=True, help_text="Open: when the next call tries if the provider is back."
    )
    reason = serializers.CharField(help_text="What the failure said that opened it.")
    changed_at = serializers.DateTimeField()


class BreakerChangeSerializer(Out):
    before = serializers.ChoiceField(BreakerState.choices)
    after = serializers.ChoiceField(BreakerState.choices)
    reason = serializers.CharField()
    by = serializers.CharField(help_text="The worker, or the person who closed it by hand.")
    at = serializers.DateTimeField()


class ConnectionKeySerializer(Out):
    """A further key of a connection; the secret is write-only."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    secret_hint = serializers.CharField()
    weight = serializers.FloatField()
    is_enabled = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class ConnectionKeyChangesSerializer(StrictSerializer):
    weight = serializers.FloatField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class NewConnectionKeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=80)
    secret = serializers.CharField(max_length=4096, write_only=True)
    weight = serializers.FloatField(
        required=False, help_text="2: twice the calls of a key with 1. Default 1."
    )


class ConnectionSerializer(Out):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    dialect = serializers.ChoiceField(Dialect.choices)
    base_url = serializers.CharField()
    secret_hint = serializers.CharField(
        help_text="The last four characters of the secret; empty for short ones."
    )
    has_secret = serializers.SerializerMethodField()
    default_model = serializers.CharField()
    options = OptionsField()
    is_default = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    breaker = serializers.SerializerMethodField(help_text="Null: it has never seen a failure.")

    @extend_schema_field(BreakerSerializer(allow_null=True))
    def get_breaker(self, connection: Any) -> Any:
        return BreakerSerializer(connection.breaker).data if hasattr(connection, "breaker") else None

    def get_has_secret(self, connection: Any) -> bool:
        return bool(connection.secret)


class ConnectionChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80, required=False)
    dialect = serializers.ChoiceField(Dialect.choices, required=False)
    base_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    secret = serializers.CharField(
        max_length=4096,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Write-only; empty removes it.",
    )
    default_model = serializers.CharField(max_length=120, required=False, allow_blank=True)
    options = OptionsField(required=False)
    is_default = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class NewConnectionSerializer(ConnectionChangesSerializer):
    name = serializers.CharField(max_length=80)
    dialect = serializers.ChoiceField(Dialect.choices)
    slug = serializers.CharField(max_length=80, required=False, help_text="Default: made from the name.")


class ConnectionTestSerializer(Out):
    """How the provider answered; `code`, `message` and `hint` say what to do when it is not ok."""

    is_ok = serializers.BooleanField()
    seconds = serializers.FloatField()
    models = serializers.ListField(child=serializers.CharField())
    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class AgentSerializer(Out):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField()
    instructions = serializers.CharField()
    connection = serializers.CharField(
        source="connection.slug",
        default=None,
        allow_null=True,
        help_text="None: the team's default connection.",
    )
    model = serializers.CharField()
    options = OptionsField()
    capabilities = serializers.ListField(child=serializers.CharField())
    is_enabled = serializers.BooleanField()
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class AgentChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    instructions = serializers.CharField(max_length=100_000, required=False, allow_blank=True)
    connection = serializers.CharField(
        max_length=80,
        required=False,
        allow_null=True,
        help_text="Short name or id; null: the team's default.",
    )
    model = serializers.CharField(max_length=120, required=False, allow_blank=True)
    options = OptionsField(required=False)
    capabilities = serializers.ListField(
        child=serializers.CharField(max_length=400),
        max_length=50,
        required=False,
        help_text="As texts: `translate;languages=de|fr`.",
    )
    is_enabled = serializers.BooleanField(required=False)


class NewAgentSerializer(AgentChangesSerializer):
    name = serializers.CharField(max_length=80)
    slug = serializers.CharField(max_length=80, required=False, help_text="Default: made from the name.")
