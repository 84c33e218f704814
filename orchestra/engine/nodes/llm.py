"""Kind `llm`: one call of a language model, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.filters import text_of
from orchestra.engine.nodes.base import Kind, Settings, expression_or, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome, usage_of
from orchestra.engine.schemas import find_schema_problems
from orchestra.errors import ModelTimeout, Problem
from orchestra.llm.answer import ask
from orchestra.llm.client import Answer, Message, ModelRequest

ROLES = ("system", "user", "assistant")
_TARGET = object_schema(
    {
        "agent": text_field("Agent"),
        "connection": text_field("Connection"),
        "model": text_field("Model"),
    },
    minProperties=1,
)

SCHEMA = object_schema(
    {
        "prompt": text_field("Prompt", format="textarea"),
        "system": text_field("System", "Comes after the agent's instructions.", format="textarea"),
        "agent": text_field(
            "Agent", "Neither agent nor connection: the team's default connection.", format="agent"
        ),
        "connection": text_field("Connection", format="connection"),
        "model": text_field("Model", format="model"),
        "schema": {
            "type": "object",
            "title": "Schema of the answer",
            "description": "Asks for JSON that fits this JSON Schema; it is found under `output.data`.",
            "format": "json",
        },
        "messages": {
            "type": "array",
            "title": "Messages",
            "description": "A whole conversation instead of one prompt.",
            "minItems": 1,
            "items": object_schema(
                {
                    "role": {"enum": list(ROLES), "title": "Role"},
                    "content": text_field("Content", format="textarea"),
                },
                ("role", "content"),
            ),
        },
        "temperature": expression_or({"type": "number", "title": "Temperature", "minimum": 0, "maximum": 2}),
        "max_tokens": expression_or({"type": "integer", "title": "Tokens at most", "minimum": 1}),
        "fallbacks": {
            "type": "array",
            "title": "Fallbacks",
            "description": "Tried in this order when the first choice is away.",
            "maxItems": 10,
            "items": {"anyOf": [_TARGET, text_field("Connection")]},
        },
        "images": expression_or(
            {
                "type": "array",
                "title": "Images",
                "description": "URLs or data URLs.",
                "items": {"type": "string"},
            }
        ),
    },
    anyOf=[{"required": ["prompt"]}, {"required": ["messages"]}],
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Ask the node's model; falls back, re-asks and counts tokens as `orchestra.llm.answer` does.

    Raises CostLimit when the run has none to spend, and what `ask` raises.
    """
    await context.check_budget()
    targets = await context.models(settings)
    request = ModelRequest(
        model="",
        messages=_messages(settings),
        temperature=settings.get("temperature"),
        max_tokens=settings.get("max_tokens"),
        schema=settings.get("schema"),
        timeout=context.node.timeout,
        idempotency_key=context.idempotency_key,
        attempt=context.attempt,
    )
    answer = await ask(targets, request, on_text=context.emit, tally=context.tally)
    return Done(output=_output(answer), usage=usage_of(context.tally))


def _messages(settings: Settings) -> tuple[Message, ...]:
    messages = [Message(turn["role"], text_of(turn["content"])) for turn in settings.get("messages") or ()]
    if settings.get("prompt") is not None:
        messages.append(Message("user", text_of(settings["prompt"])))
    images = tuple(str(image) for image in settings.get("images") or ())
    if images:
        messages[-1] = Message(messages[-1].role, messages[-1].content, images)
    system = text_of(settings.get("system"))
    return (Message("system", system), *messages) if system else tuple(messages)


def _output(answer: Answer) -> Mapping[str, Any]:
    return {
        "text": answer.text,
        "data": answer.data,
        "usage": {
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "cost": answer.cost,
        },
        "model": answer.model,
        "finish_reason": answer.finish_reason,
    }


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """A schema that is no JSON Schema; an agent and a connection at once."""
    if "schema" in settings:
        yield from find_schema_problems(settings["schema"], f"{path}.schema")
    if "agent" in settings and "connection" in settings:
        yield Problem(
            path, "bad_value", "Give an agent or a connection, not both: an agent has its connection."
        )


KIND = Kind(
    name="llm",
    title="Language model",
    description="One call of a language model, streamed.",
    queue="llm",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"schema"}),
    find_problems=find_problems,
    fields=("text", "data", "usage", "model", "finish_reason"),
    timeout_error=ModelTimeout,
)
