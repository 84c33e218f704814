"""Conversations for operators: that they are there, not what was said in them."""

from __future__ import annotations

from django.contrib import admin

from apps.chat.models import Conversation, Message
from orchestra.admin import BigTableAdmin, ReadOnly


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, BigTableAdmin):
    """Titles are the first words of a message, so they are not shown either."""

    list_display = ["id", "team", "owner", "partner", "created_at", "updated_at"]
    list_filter = ["partner"]
    list_select_related = ["team", "owner"]
    search_fields = ["owner__username", "team__name"]
    fields = [
        "team",
        "owner",
        "partner",
        "agent",
        "workflow",
        "when_busy",
        "forked_from",
        "created_at",
        "updated_at",
    ]


@admin.register(Message)
class MessageAdmin(ReadOnly, BigTableAdmin):
    list_display = ["id", "conversation", "author", "status", "run", "left_out", "created_at"]
    list_filter = ["author", "status"]
    list_select_related = ["conversation", "run__workflow"]
    search_fields = ["conversation__owner__username", "conversation__team__name"]
    fields = ["position", "author", "status", "run", "left_out", "created_at"]
