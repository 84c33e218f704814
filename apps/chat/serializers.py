"""The JSON shapes of conversations and messages."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.chat.models import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    Author,
    Conversation,
    Message,
    MessageStatus,
    Partner,
    WhenBusy,
)
from orchestra.api import StrictSerializer

Out = serializers.Serializer[Any]
BUSY_HELP = "What a message comes to that arrives while an answer is being written."


class ConversationSerializer(Out):
    id = serializers.UUIDField()
    title = serializers.CharField()
    partner = serializers.ChoiceField(Partner.choices)
    agent = serializers.CharField(source="agent.slug", default=None, allow_null=True)
    workflow = serializers.CharField(source="workflow.slug", default=None, allow_null=True)
    when_busy = serializers.ChoiceField(WhenBusy.choices, help_text=BUSY_HELP)
    shared_url = serializers.SerializerMethodField(help_text="Where anybody may read it; null: nobody may.")
    forked_from = serializers.UUIDField(source="forked_from_id", allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_shared_url(self, conversation: Conversation) -> str | None:
        return conversation.shared_path or None


class StepSerializer(Out):
    tool = serializers.CharField()
    arguments = serializers.CharField(allow_null=True, help_text="As text, cut where long.")
    result = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)


class MessageSerializer(Out):
    id = serializers.UUIDField()
    position = serializers.IntegerField()
    author = serializers.ChoiceField(Author.choices)
    status = serializers.ChoiceField(MessageStatus.choices)
    text = serializers.CharField(help_text="Markdown; empty while it is being written.")
    steps = StepSerializer(many=True)
    error = serializers.CharField()
    run = serializers.UUIDField(source="run_id", allow_null=True)
    events_url = serializers.SerializerMethodField(help_text="Where the answer streams as it is written.")
    left_out = serializers.IntegerField(help_text="Earlier messages that did not fit and were not told.")
    created_at = serializers.DateTimeField()

    def get_events_url(self, message: Message) -> str | None:
        return f"/api/v1/runs/{message.run_id}/events" if message.run_id else None


class SaidSerializer(Out):
    message = MessageSerializer()
    answer = MessageSerializer(
        allow_null=True, help_text="Null while the message waits for the answer before."
    )


class ConversationChangesSerializer(StrictSerializer):
    title = serializers.CharField(max_length=LONGEST_TITLE, required=False)
    when_busy = serializers.ChoiceField(WhenBusy.choices, required=False, help_text=BUSY_HELP)


class NewConversationSerializer(ConversationChangesSerializer):
    agent = serializers.CharField(max_length=80, required=False, allow_null=True, help_text="Short name.")
    workflow = serializers.CharField(max_length=80, required=False, allow_null=True, help_text="Short name.")


class NewMessageSerializer(StrictSerializer):
    text = serializers.CharField(max_length=LONGEST_TEXT, trim_whitespace=False)
    when_busy = serializers.ChoiceField(WhenBusy.choices, required=False, help_text=BUSY_HELP)


class EditSerializer(StrictSerializer):
    text = serializers.CharField(max_length=LONGEST_TEXT, trim_whitespace=False)


class ShareSerializer(Out):
    url = serializers.CharField(help_text="Path under which anybody may read the conversation.")


class StoppedSerializer(Out):
    stopped = serializers.BooleanField(help_text="Whether an answer was being written.")
