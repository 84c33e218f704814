"""What a partner is told: the last messages that fit, as the input of a run; and what its output says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from apps.chat.models import Author, Message, MessageStatus
from orchestra.errors import Conflict
from orchestra.llm.tokens import count_tokens

SLUG = "chat"
DEFINITION: Mapping[str, Any] = {
    "orchestra": 1,
    "name": "Chat",
    "description": "Answers one message of a conversation. Give it tools, another model or limits as you like.",
    "inputs": {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "title": "Message", "format": "textarea"},
            "agent": {"type": ["string", "null"], "title": "Agent", "default": None},
            "messages": {
                "type": "array",
                "title": "Messages before",
                "default": [],
                "items": {
                    "type": "object",
                    "required": ["role", "content"],
                    "properties": {"role": {"enum": ["user", "assistant"]}, "content": {"type": "string"}},
                },
            },
        },
    },
    "nodes": {
        "answer": {
            "kind": "agent",
            "title": "Answer",
            "settings": {
                "task": "{{ inputs.text }}",
                "messages": "{{ inputs.messages }}",
                "agent": "{{ inputs.agent }}",
            },
        }
    },
    "output": {"text": "{{ nodes.answer.output.text }}", "steps": "{{ nodes.answer.output.steps }}"},
}
"""The workflow that answers where no other was chosen: the team's own from its first use on."""

TEXT_NAMES = ("message", "text", "question", "prompt", "task", "input", "document")
MEMORY_NAMES = ("messages", "history", "conversation")
ANSWER_NAMES = ("text", "answer", "message", "reply", "output", "result")
SPOKEN = (MessageStatus.SENT, MessageStatus.DONE, MessageStatus.STOPPED)


@dataclass(frozen=True, slots=True)
class Memory:
    """The messages before a question, oldest first as `{role, content}`, and how many did not fit."""

    turns: list[dict[str, str]]
    left_out: int


def memory_of(before: Sequence[Message], question: str) -> Memory:
    """Return the newest of the messages before a question that fit beside it in ORCHESTRA_CHAT_TOKENS.

    It begins with a message of the person, because providers refuse conversations that begin with an answer.
    """
    said = [one for one in before if one.is_current and one.text and one.status in SPOKEN]
    room = int(settings.ORCHESTRA_CHAT_TOKENS) - count_tokens(question)
    turns: list[dict[str, str]] = []
    for message in reversed(said):
        room -= count_tokens(message.text)
        if room < 0:
            break
        turns.insert(0, {"role": str(message.author), "content": message.text})
    while turns and turns[0]["role"] == Author.ASSISTANT:
        turns.pop(0)
    return Memory(turns, len(said) - len(turns))


def input_for(schema: Mapping[str, Any], question: str, memory: Memory) -> dict[str, Any]:
    """Return a message as the input of a workflow with this `inputs` schema.

    The text goes to the first text input among the usual names, else to its only one; the messages before to a list
    called `messages`, `history` or `conversation`, if there is one. Raises Conflict when nothing takes a text.
    """
    properties = schema.get("properties")
    rules = properties if isinstance(properties, Mapping) else {}
    texts = [name for name, rule in rules.items() if _takes(rule, "string")]
    place = next((name for name in TEXT_NAMES if name in texts), texts[0] if len(texts) == 1 else None)
    if place is None:
        raise Conflict(
            _("The workflow has no input that takes a message: give it a text input named `message`.")
        )
    lists = [name for name in MEMORY_NAMES if _takes(rules.get(name), "array")]
    return {place: question, **({lists[0]: memory.turns} if lists else {})}


def answer_in(output: Any) -> str:
    """Return what the output of a run says, as Markdown."""
    if isinstance(output, str):
        return output
    if isinstance(output, Mapping):
        texts = {name: value for name, value in output.items() if isinstance(value, str)}
        for name in (*(name for name in ANSWER_NAMES if name in texts), *(texts if len(texts) == 1 else ())):
            return texts[name]
    return f"```json\n{json.dumps(output, ensure_ascii=False, indent=2)}\n```"


def steps_in(found: Any) -> list[dict[str, Any]]:
    """Return the calls of tools that the output or the error of a run tells of."""
    steps = found.get("steps") if isinstance(found, Mapping) else None
    if not isinstance(steps, list):
        return []
    keys = ("tool", "arguments", "result", "error", "seconds")
    return [
        {key: step.get(key) for key in keys}
        for step in steps
        if isinstance(step, Mapping) and step.get("type") == "tool"
    ]


def _takes(rule: Any, type_: str) -> bool:
    if not isinstance(rule, Mapping):
        return False
    named = rule.get("type")
    return type_ == named or (isinstance(named, list) and type_ in named)
