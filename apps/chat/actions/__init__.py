"""The writes of this app: conversations are begun, carried on, forked, shared and deleted; answers are taken in."""

from apps.chat.actions.answers import follow_answers, settle_answer, written_so_far
from apps.chat.actions.conversations import (
    change_conversation,
    delete_conversation,
    share_conversation,
    start_conversation,
    unshare_conversation,
)
from apps.chat.actions.messages import edit_message, regenerate_answer, send_message, stop_answer
from apps.chat.actions.trying import try_agent

__all__ = [
    "change_conversation",
    "delete_conversation",
    "edit_message",
    "follow_answers",
    "regenerate_answer",
    "send_message",
    "settle_answer",
    "share_conversation",
    "start_conversation",
    "stop_answer",
    "try_agent",
    "unshare_conversation",
    "written_so_far",
]
