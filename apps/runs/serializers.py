"""The JSON shapes of runs, node runs and events."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.runs.events import envelope_of
from apps.runs.models import (
    NODE_STATUS_CHOICES,
    RUN_STATUS_CHOICES,
    Event,
    NodeRun,
    Origin,
    PriorityLevel,
    Run,
)
from apps.workflows.tags import tags_field
from orchestra.api import StrictSerializer
from orchestra.engine.status import EventType, RunStatus

Out = serializers.Serializer[Any]

ANY_JSON: dict[str, Any] = {}
"""The schema that every JSON value fits."""


@extend_schema_field(ANY_JSON)
class ValueField(serializers.JSONField):
    """Any JSON value."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("This is not an object.", code="bad_type")
        return data


class UsageSerializer(Out):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.FloatField(help_text="In the installation's currency.")


class CountsSerializer(Out):
    done = serializers.IntegerField(source="nodes_done")
    total = serializers.IntegerField(source="nodes_total")


class CountsByStatusSerializer(CountsSerializer):
    by_status = serializers.DictField(child=serializers.IntegerField())


class RunSerializer(Out):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    workflow = serializers.CharField(source="workflow.slug")
    version = serializers.IntegerField(source="version.number")
    status = serializers.ChoiceField(RUN_STATUS_CHOICES)
    started_by = serializers.CharField(source="started_by.username", default=None, allow_null=True)
    trigger = serializers.ChoiceField(Origin.choices, source="origin")
    priority = serializers.ChoiceField(PriorityLevel.choices)
    tags = serializers.ListField(child=serializers.CharField())
    error = ObjectField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    progress = serializers.SerializerMethodField(help_text="Settled nodes by all nodes so far, from 0 to 1.")
    usage = UsageSerializer(source="*")
    nodes = CountsSerializer(source="*")

    def get_progress(self, run: Run) -> float:
        if run.status == RunStatus.SUCCEEDED:
            return 1.0
        return round(min(1.0, run.nodes_done / run.nodes_total), 4) if run.nodes_total else 0.0


class RunDetailSerializer(RunSerializer):
    input = ObjectField()
    output = ValueField()
    nodes = serializers.SerializerMethodField()  # type: ignore[assignment]  # the detail counts by status too

    @extend_schema_field(CountsByStatusSerializer)
    def get_nodes(self, run: Run) -> dict[str, Any]:
        return {"done": run.nodes_done, "total": run.nodes_total, "by_status": self.context["by_status"]}


class NewRunSerializer(StrictSerializer):
    input = ObjectField(required=False, help_text="Fits the `inputs` of the version.")
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Default: the published one."
    )
    priority = serializers.ChoiceField(PriorityLevel.choices, required=False)
    tags = tags_field()


class NewInstanceSerializer(NewRunSerializer):
    workflow = serializers.CharField(max_length=80, help_text="Short name or id.")


class StartedRunSerializer(Out):
    """A run that was accepted; with `?wait=` also how it ended, when it ended in time."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(RUN_STATUS_CHOICES)
    output = ValueField()
    error = ObjectField(allow_null=True)
    url = serializers.CharField()
    events_url = serializers.CharField()


class AttemptSerializer(Out):
    attempt = serializers.IntegerField()
    worker = serializers.CharField(required=False)
    status = serializers.CharField(required=False)
    started_at = serializers.CharField(required=False, allow_null=True)
    finished_at = serializers.CharField(required=False, allow_null=True)
    error = ObjectField(required=False, allow_null=True)


class NodeRunSerializer(Out):
    path = serializers.CharField()
    node = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(NODE_STATUS_CHOICES)
    attempt = serializers.IntegerField(help_text="How often it was tried so far.")
    input = ValueField(help_text="Its settings as they were rendered.")
    output = ValueField()
    error = ObjectField(allow_null=True)
    agent = serializers.SerializerMethodField()
    model = serializers.CharField()
    worker = serializers.CharField()
    waiting_for = serializers.CharField()
    queued_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    usage = UsageSerializer(source="*")
    attempts = serializers.SerializerMethodField()

    def get_agent(self, node: NodeRun) -> str | None:
        settings = node.input if isinstance(node.input, dict) else {}
        agent = settings.get("agent")
        return agent if isinstance(agent, str) else None

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, node: NodeRun) -> Any:
        return node.attempts


class EventSerializer(Out):
    """One entry of a run's log, as every surface sends it."""

    seq = serializers.IntegerField()
    type = serializers.ChoiceField([(one.value, one.value) for one in EventType])
    run = serializers.UUIDField()
    node = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()
    data = ObjectField()  # type: ignore[assignment]  # declared fields leave the class, so nothing is hidden

    def to_representation(self, instance: Event) -> dict[str, Any]:
        run = str(instance.run_id)
        return envelope_of(run, instance.seq, instance.type, instance.node, instance.at, instance.data)


class EventPageSerializer(Out):
    results = EventSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
