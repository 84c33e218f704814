"""The JSON shapes of runs, node runs and events."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.runs.actions.bulk import BULK_ACTIONS, MOST_RUNS
from apps.runs.events import envelope_of
from apps.runs.filters import RunFilters
from apps.runs.handed_over import agent_of, choice_of
from apps.runs.models import (
    NODE_STATUS_CHOICES,
    RUN_STATUS_CHOICES,
    AssignmentStatus,
    Event,
    NodeRun,
    Origin,
    PriorityLevel,
    Run,
)
from apps.runs.told import why_of
from apps.workflows.tags import tags_field
from orchestra.api import StrictSerializer
from orchestra.engine.status import EventType, RunStatus

Out = serializers.Serializer[Any]

LONGEST_DEDUP = 30 * 86_400.0

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
    version = serializers.IntegerField(source="version.number", help_text="0: a draft that was tried.")
    status = serializers.ChoiceField(RUN_STATUS_CHOICES)
    started_by = serializers.CharField(source="started_by.username", default=None, allow_null=True)
    trigger = serializers.ChoiceField(Origin.choices, source="origin")
    priority = serializers.ChoiceField(PriorityLevel.choices)
    tags = serializers.ListField(child=serializers.CharField())
    dedup_key = serializers.CharField()
    is_held = serializers.BooleanField(
        help_text="Queued until one of the workflow's other runs ends (the workflow's `max_runs`)."
    )
    parent = serializers.UUIDField(  # type: ignore[assignment]  # declared fields leave the class
        source="parent_id", allow_null=True, help_text="The run whose node started this one."
    )
    parent_node = serializers.CharField(source="parent_path", help_text="Path of that node; else empty.")
    forked_from = serializers.UUIDField(
        source="forked_from_id", allow_null=True, help_text="The run whose results it took over."
    )
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
    ends_as = serializers.CharField(
        help_text="How it ends once what it did is undone; empty: nothing to undo."
    )
    input = ObjectField()
    output = ValueField()
    nodes = serializers.SerializerMethodField()  # type: ignore[assignment]  # the detail counts by status too

    @extend_schema_field(CountsByStatusSerializer)
    def get_nodes(self, run: Run) -> dict[str, Any]:
        return {"done": run.nodes_done, "total": run.nodes_total, "by_status": self.context["by_status"]}


def draft_field() -> serializers.BooleanField:
    """Return the field that asks for the draft instead of a version."""
    return serializers.BooleanField(
        required=False,
        help_text="Run the draft as it is saved now, published or not; the run's `version` is 0 then.",
    )


class NewRunSerializer(StrictSerializer):
    input = ObjectField(required=False, help_text="Fits the `inputs` of the version.")
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Default: the published one."
    )
    draft = draft_field()
    priority = serializers.ChoiceField(PriorityLevel.choices, required=False)
    tags = tags_field()
    dedup_key = serializers.CharField(
        required=False,
        max_length=200,
        help_text="While a run with this key has not ended, it is the answer instead of a second one (200).",
    )
    dedup_seconds = serializers.FloatField(
        required=False,
        min_value=0,
        max_value=LONGEST_DEDUP,
        help_text="A run that was started within so many seconds counts too, if it has ended; at most 30 days.",
    )


class RetrySerializer(StrictSerializer):
    """Nothing: the run itself is retried. Anything: a new run is forked from it."""

    input = ObjectField(required=False, help_text="Default: the old run's.")
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Default: the old run's."
    )
    draft = draft_field()

    def get_fields(self) -> dict[str, Any]:
        paths = serializers.ListField(
            child=serializers.CharField(max_length=400),
            required=False,
            max_length=200,
            help_text="Node runs to do again, with everything after them.",
        )
        return {"from": paths, **super().get_fields()}


class BulkFilters(RunFilters, StrictSerializer):
    """The filters of the list of runs; a misspelt one is refused, or the action would reach too many."""


class BulkSerializer(StrictSerializer):
    """Which runs, by their ids or by the filters of the list, and what to do to them."""

    action = serializers.ChoiceField(list(BULK_ACTIONS))
    ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=MOST_RUNS
    )

    def get_fields(self) -> dict[str, Any]:
        chosen = BulkFilters(required=False, help_text="The filters of the list of runs.")
        return {**super().get_fields(), "filter": chosen}

    def validate(self, attrs: Any) -> Any:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError({"ids": ["Give exactly one of `ids` and `filter`."]})
        if not attrs.get("ids", True) or not attrs.get("filter", True):
            raise serializers.ValidationError({"filter": ["Name at least one condition."]})
        return attrs


class BulkResultSerializer(Out):
    id = serializers.UUIDField()
    done = serializers.BooleanField()
    status = serializers.ChoiceField(
        RUN_STATUS_CHOICES, allow_null=True, help_text="Afterwards; null: no such run."
    )
    code = serializers.CharField(allow_null=True, help_text="Why nothing was done.")
    detail = serializers.CharField(allow_null=True)


class BulkAnswerSerializer(Out):
    results = BulkResultSerializer(many=True)
    done = serializers.IntegerField(help_text="To how many runs it was done.")
    has_more = serializers.BooleanField(help_text="More runs fit the filter: ask again.")


class NewInstanceSerializer(NewRunSerializer):
    workflow = serializers.CharField(max_length=80, help_text="Short name or id.")


class StartedRunSerializer(Out):
    """A run that was accepted; with `?wait=` also how it ended, when it ended in time."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(RUN_STATUS_CHOICES)
    deduplicated = serializers.BooleanField(help_text="Not started: it was there, with the same `dedup_key`.")
    output = ValueField()
    error = ObjectField(allow_null=True)
    url = serializers.CharField()
    events_url = serializers.CharField()


class AttemptCallSerializer(Out):
    """One call to a model, or several in a row that went alike (`count`)."""

    connection = serializers.CharField()
    model = serializers.CharField()
    status = serializers.CharField(help_text="`ok`, or the code of the error.")
    seconds = serializers.FloatField()
    message = serializers.CharField(required=False)
    wait = serializers.FloatField(
        required=False, help_text="Seconds before the same call was made again; absent: it was not."
    )
    why = serializers.CharField(required=False, help_text="Why this target was chosen.")
    is_cached = serializers.BooleanField(required=False)
    count = serializers.IntegerField(required=False)


class AttemptSerializer(Out):
    attempt = serializers.IntegerField()
    worker = serializers.CharField(required=False)
    status = serializers.CharField(required=False)
    started_at = serializers.CharField(required=False, allow_null=True)
    finished_at = serializers.CharField(required=False, allow_null=True)
    error = ObjectField(required=False, allow_null=True)
    cached = serializers.BooleanField(required=False, help_text="Served from the cache, at no cost.")
    retried = serializers.BooleanField(required=False, help_text="Somebody retried the node after it.")
    calls = AttemptCallSerializer(
        many=True, required=False, help_text="What its calls to models came to, in order: retries, fallbacks."
    )
    why = serializers.CharField(
        required=False, help_text="The calls in words; empty when one plain call was all."
    )


class NodeRunSerializer(Out):
    path = serializers.CharField()
    node = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(NODE_STATUS_CHOICES)
    attempt = serializers.IntegerField(help_text="How often it was tried so far.")
    input = ValueField(help_text="Its settings as they were rendered.")
    output = ValueField()
    error = ObjectField(allow_null=True)
    is_reused = serializers.BooleanField(help_text="Taken over from the run that this one was forked from.")
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
        return agent_of(node)

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, node: NodeRun) -> Any:
        return [{**one, "why": why_of(one)} if one.get("calls") else one for one in node.attempts]


class WhySerializer(Out):
    code = serializers.CharField(
        help_text="Stable: before, queued, no_worker, back_off, limit, paused, signal …"
    )
    text = serializers.CharField(help_text="A sentence in the reader's language.")


class AssignmentSerializer(Out):
    """What a remote agent was asked for: one for each attempt."""

    id = serializers.UUIDField()
    attempt = serializers.IntegerField()
    status = serializers.ChoiceField(AssignmentStatus.choices)
    agent = serializers.CharField(source="agent_name", help_text="Who has it; empty: nobody yet.")
    choice = ObjectField(allow_null=True, help_text="Who was chosen and why.")
    losses = serializers.IntegerField(help_text="Agents that were lost while they worked on it.")
    progress = ObjectField(allow_null=True, help_text="`{share, note}`, as the agent says.")
    created_at = serializers.DateTimeField()
    leased_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class NodeRunDetailSerializer(NodeRunSerializer):
    choice = serializers.SerializerMethodField(
        help_text="Which agent was chosen and why: `{agent, kind, strategy, reason, considered}`."
    )
    assignments = serializers.SerializerMethodField()

    @extend_schema_field(ObjectField(allow_null=True))
    def get_choice(self, node: NodeRun) -> Any:
        return choice_of(node)

    @extend_schema_field(AssignmentSerializer(many=True))
    def get_assignments(self, node: NodeRun) -> Any:
        return AssignmentSerializer(self.context["assignments"], many=True).data

    why = serializers.SerializerMethodField(
        help_text="Why it is not running; null when it runs or has ended."
    )

    @extend_schema_field(WhySerializer(allow_null=True))
    def get_why(self, node: NodeRun) -> Any:
        return self.context["why"]


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
