"""The JSON shapes of remote agents: tokens, registering, standing, matches."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.agents.checks import LONGEST_CAPABILITY, MOST_SLOTS
from apps.agents.models import Agent
from apps.agents.serializers import OptionsField
from apps.agents.standing import AgentState, state_of
from orchestra.api import StrictSerializer
from orchestra.engine.capabilities import MOST

Out = serializers.Serializer[Any]


def capability_list(**more: Any) -> serializers.ListField:
    """Return a field of capabilities as texts."""
    return serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_CAPABILITY), max_length=MOST, **more
    )


class AgentTokenSerializer(Out):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    capabilities = capability_list(help_text="Names that agents may register with; empty: any.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class MadeAgentTokenSerializer(AgentTokenSerializer):
    token = serializers.CharField(help_text="Shown this once.")


class NewAgentTokenSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80)
    capabilities = capability_list(required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class RegistrationSerializer(StrictSerializer):
    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    capabilities = capability_list(required=False, default=list)
    slots = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_SLOTS, help_text="Assignments that it takes at once."
    )
    version = serializers.CharField(max_length=80, required=False, allow_blank=True)


class RegisteredSerializer(Out):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    key = serializers.CharField(help_text="Speaks for this agent from now on; shown this once.")
    lease_seconds = serializers.FloatField(help_text="Silent for so long, it is offline and loses its work.")
    beat_seconds = serializers.FloatField(help_text="How often it should give a sign of life.")


class StandingSerializer(Out):
    """How an agent stands; figures are those of remote agents."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    state = serializers.SerializerMethodField()
    capabilities = capability_list()
    transport = serializers.CharField(source="presence.transport", default=None, allow_null=True)
    version = serializers.CharField(source="presence.version", default=None, allow_null=True)
    seen_at = serializers.DateTimeField(source="presence.seen_at", default=None, allow_null=True)
    slots = serializers.IntegerField(source="presence.slots", default=None, allow_null=True)
    running = serializers.IntegerField(source="presence.running", default=None, allow_null=True)
    done = serializers.IntegerField(source="presence.done", default=None, allow_null=True)
    failed = serializers.IntegerField(source="presence.failed", default=None, allow_null=True)
    latency_seconds = serializers.FloatField(
        source="presence.latency_seconds", default=None, allow_null=True, help_text="A weighted mean."
    )
    success = serializers.FloatField(source="presence.success", default=None, allow_null=True)
    trouble = serializers.CharField(source="presence.trouble", default=None, allow_null=True)
    resources = OptionsField(source="presence.resources", default=None, allow_null=True)

    def get_state(self, agent: Agent) -> AgentState:
        return state_of(agent)


class MatchSerializer(Out):
    """Whether an agent can do what is required and is free; `reasons` say why not."""

    id = serializers.UUIDField(source="agent.pk")
    slug = serializers.CharField(source="agent.slug")
    kind = serializers.CharField(source="agent.kind")
    state = serializers.ChoiceField(AgentState.choices)
    can_handle = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())


class ChoiceSerializer(Out):
    """Who does it, and why."""

    agent = serializers.CharField()
    kind = serializers.CharField()
    strategy = serializers.CharField()
    reason = serializers.CharField()
    considered = serializers.IntegerField(help_text="Free agents that it was chosen from.")


class MatchesSerializer(Out):
    requires = serializers.ListField(child=OptionsField())
    choice = ChoiceSerializer(allow_null=True, help_text="Null: nobody who can do it is free.")
    matches = MatchSerializer(many=True)


class DrainSerializer(StrictSerializer):
    draining = serializers.BooleanField()


class HeartbeatSerializer(StrictSerializer):
    """What an agent says of itself."""

    slots = serializers.IntegerField(
        required=False, min_value=0, max_value=MOST_SLOTS, help_text="0: nothing more for now."
    )
    draining = serializers.BooleanField(required=False)
    trouble = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Why it works less well than it should."
    )
    resources = OptionsField(required=False, help_text="`{cpu, memory, disk, network_in, network_out}`.")


class HeartbeatAnswerSerializer(Out):
    state = serializers.ChoiceField(AgentState.choices)
    lease_seconds = serializers.FloatField()
    beat_seconds = serializers.FloatField()
