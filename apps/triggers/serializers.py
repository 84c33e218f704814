"""The JSON shapes of triggers and firings; a webhook's secret comes out once, when it is made."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.runs.models import PriorityLevel
from apps.runs.serializers import ObjectField, ValueField
from apps.triggers.models import FiringStatus, Kind, Trigger
from orchestra.api import StrictSerializer

Out = serializers.Serializer[Any]
INPUT_HELP = "What the run gets: a JSON value with expressions over what happened."


class TriggerSerializer(Out):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Kind.choices)
    workflow = serializers.CharField(source="workflow.slug")
    source = serializers.CharField(  # type: ignore[assignment]  # declared fields leave the class
        source="source.slug",
        default=None,
        allow_null=True,
        help_text="Events: whose runs it listens to; null: those of every workflow.",
    )
    is_enabled = serializers.BooleanField()
    settings = ObjectField()
    input = ValueField(help_text=INPUT_HELP)
    priority = serializers.ChoiceField(PriorityLevel.choices)
    url = serializers.SerializerMethodField(help_text="Where deliveries or visitors go; null for others.")
    next_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    last_run = serializers.UUIDField(
        default=None, allow_null=True, help_text="Id of the last run that it started."
    )
    refused_at = serializers.DateTimeField(allow_null=True)
    refused_why = serializers.CharField()
    acts_for = serializers.CharField(source="owner.username", default=None, allow_null=True)
    revision = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_url(self, trigger: Trigger) -> str | None:
        return trigger.path or None


class MadeTriggerSerializer(TriggerSerializer):
    secret = serializers.CharField(help_text="Webhooks: shown this once only; empty for other kinds.")


class SecretSerializer(Out):
    secret = serializers.CharField(help_text="Shown this once only.")


class TriggerChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80, required=False)
    workflow = serializers.CharField(max_length=80, required=False, help_text="Short name or id.")
    source = serializers.CharField(  # type: ignore[assignment]  # declared fields leave the class
        max_length=80, required=False, allow_null=True, help_text="Short name or id; null: every workflow."
    )
    is_enabled = serializers.BooleanField(required=False)
    settings = ObjectField(required=False, help_text="Merged into what is there.")
    input = ValueField(required=False, help_text=INPUT_HELP)
    priority = serializers.ChoiceField(PriorityLevel.choices, required=False)


class NewTriggerSerializer(TriggerChangesSerializer):
    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(Kind.choices)
    workflow = serializers.CharField(max_length=80, help_text="Short name or id.")


class FiringSerializer(Out):
    id = serializers.UUIDField()
    key = serializers.CharField(help_text="A due time, a `webhook-id`, the id of the run that ended.")
    status = serializers.ChoiceField(FiringStatus.choices)
    due_at = serializers.DateTimeField(allow_null=True)
    at = serializers.DateTimeField()
    detail = serializers.CharField()
    run = serializers.UUIDField(source="run_id", allow_null=True)
    source_run = serializers.UUIDField(source="source_run_id", allow_null=True)


class UpcomingSerializer(Out):
    results = serializers.ListField(child=serializers.DateTimeField())


class FiredSerializer(Out):
    """What a webhook answers: the run it started, or why there is none."""

    id = serializers.UUIDField(allow_null=True, help_text="The run; null when none was started.")
    firing = serializers.UUIDField()
    status = serializers.CharField()
    detail = serializers.CharField()
