"""The JSON shapes of workflows and versions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.workflows.models import WhenFull, Workflow
from apps.workflows.tags import tags_field
from orchestra.api import StrictSerializer

Out = serializers.Serializer[Any]


@extend_schema_field(OpenApiTypes.OBJECT)
class DefinitionField(serializers.JSONField):
    """A workflow definition: one JSON object. What it must hold is the compiler's to say."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("A definition is an object.", code="bad_type")
        return data


class ProblemEntrySerializer(Out):
    """One thing that is wrong."""

    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    line = serializers.IntegerField(
        required=False, help_text="Line of the text, from 1, where there is a text."
    )


class WorkflowSerializer(Out):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    version = serializers.IntegerField(
        source="published.number", default=None, allow_null=True, help_text="The published version's number."
    )
    has_problems = serializers.SerializerMethodField(help_text="Whether something is wrong with the draft.")
    run_count = serializers.IntegerField()
    max_runs = serializers.IntegerField(
        allow_null=True, help_text="How many runs may be under way at once; null: any number."
    )
    when_full = serializers.ChoiceField(WhenFull.choices)
    revision = serializers.IntegerField()
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)

    def get_has_problems(self, workflow: Workflow) -> bool:
        return bool(workflow.problems)


class WorkflowDetailSerializer(WorkflowSerializer):
    inputs = serializers.SerializerMethodField(
        help_text="JSON Schema of what a start of the published version takes."
    )
    problems = ProblemEntrySerializer(many=True, help_text="What is wrong with the draft.")

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_inputs(self, workflow: Workflow) -> Any:
        definition = workflow.published.definition if workflow.published else workflow.draft
        return definition.get("inputs") or {}


class NewWorkflowSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False, help_text="Default: the definition's name.")
    slug = serializers.CharField(max_length=80, required=False, help_text="Default: made from the name.")
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    tags = tags_field()
    definition = DefinitionField(required=False)
    text = serializers.CharField(
        required=False, trim_whitespace=False, help_text="The definition as YAML, instead of `definition`."
    )

    def validate(self, attrs: Any) -> Any:
        return one_of(attrs, is_required=False)


class WorkflowChangesSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    tags = tags_field()
    max_runs = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=100_000,
        help_text="How many runs may be under way at once; 0: any number.",
    )
    when_full = serializers.ChoiceField(
        WhenFull.choices, required=False, help_text="What a start comes to when that many are under way."
    )
    is_archived = serializers.BooleanField(required=False)


class DefinitionSerializer(StrictSerializer):
    definition = DefinitionField(required=False)
    text = serializers.CharField(
        required=False,
        trim_whitespace=False,
        allow_blank=True,
        help_text="The definition as YAML, instead of `definition`.",
    )

    def validate(self, attrs: Any) -> Any:
        return one_of(attrs, is_required=True)


class DraftChangeSerializer(DefinitionSerializer):
    allow_problems = serializers.BooleanField(
        required=False, help_text="Keep a draft that is not right yet; it cannot be published like that."
    )


class DraftSerializer(Out):
    definition = DefinitionField(source="draft")
    text = serializers.CharField(
        source="draft_text", help_text="As its author typed it; empty when it came as JSON."
    )
    problems = ProblemEntrySerializer(many=True)
    revision = serializers.IntegerField()
    updated_at = serializers.DateTimeField()


@extend_schema_field({"type": "object", "additionalProperties": True})
class PlanTreeField(serializers.JSONField):
    """The canvas as a tree, with counts of tasks, joins and gates."""


class CheckedSerializer(Out):
    valid = serializers.BooleanField()
    problems = ProblemEntrySerializer(many=True)
    plan = PlanTreeField(allow_null=True)


class NewVersionSerializer(StrictSerializer):
    definition = DefinitionField(required=False)
    note = serializers.CharField(max_length=200, required=False, allow_blank=True)


class VersionSerializer(Out):
    number = serializers.IntegerField()
    note = serializers.CharField()
    digest = serializers.CharField(help_text="SHA-256 of the definition's canonical JSON.")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    created_at = serializers.DateTimeField()


class VersionDetailSerializer(VersionSerializer):
    definition = DefinitionField()
    text = serializers.CharField()


class PlanSerializer(Out):
    number = serializers.IntegerField()
    plan = PlanTreeField()
    text = serializers.CharField(help_text="The same for people.")


class ChangeSerializer(Out):
    path = serializers.CharField()
    change = serializers.ChoiceField(["added", "removed", "changed"])
    old = serializers.JSONField(required=False)
    new = serializers.JSONField(required=False)


class DifferenceSerializer(Out):
    old = serializers.IntegerField()
    new = serializers.IntegerField()
    changes = ChangeSerializer(many=True)
    text = serializers.CharField(help_text="A unified difference of both as YAML.")


def one_of(attrs: Any, *, is_required: bool) -> Any:
    """Refuse a definition and a text at once and, where one is required, neither."""
    given = [name for name in ("definition", "text") if name in attrs]
    if len(given) > 1:
        raise serializers.ValidationError({"text": ["Give `definition` or `text`, not both."]})
    if is_required and not given:
        raise serializers.ValidationError({"definition": ["This field is required."]}, code="required")
    return attrs
