"""How the simulated model uses tools: it calls those whose names its task mentions, and reports what they returned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from orchestra.llm.brief import Brief, read_brief
from orchestra.llm.client import Message, ModelRequest, ToolCall, ToolSpec
from orchestra.llm.extract import is_chinese
from orchestra.llm.script import Script

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
WORD = re.compile(r"[^\W\d_]+")
STEM = 4
"""Letters by which a word of a tool's name is found in the task: “words” in “word”, “fibo” in “Fibonacci”."""
GENERIC = frozenset({"text", "value", "data", "make", "this", "with", "from", "into", "list", "find"})
SHOWN = 400


def calls_of(request: ModelRequest, messages: Sequence[Message], script: Script) -> tuple[ToolCall, ...]:
    """Return the calls that the simulated model asks for in this turn; none when it is time to answer.

    Scripted calls come first, one a turn. Without a script it calls, once and all together, each tool that its task
    mentions by a word of the tool's name and whose required arguments the task gives.
    """
    turn = sum(1 for message in messages if message.role == "assistant")
    if not request.tools:
        return ()
    if turn < len(script.calls):
        name, arguments = script.calls[turn]
        return (ToolCall(f"call_{turn + 1}_1", name, arguments),)
    if turn or script.calls or script.answers:
        return ()
    brief = read_brief(messages)
    task = brief.instruction or brief.document[:2000]
    mentioned = [spec for spec in request.tools if _is_mentioned(spec, task)]
    chosen = [(spec.name, _arguments(spec.schema, brief)) for spec in mentioned]
    return tuple(
        ToolCall(f"call_1_{number}", name, json.dumps(arguments, ensure_ascii=False))
        for number, (name, arguments) in enumerate(chosen, start=1)
        if arguments is not None
    )


def announcement(calls: Sequence[ToolCall]) -> str:
    """Return what the simulated model says beside its calls."""
    return f"The simulated model calls {', '.join(call.name for call in calls)}."


def results_in(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Return (tool, what it returned) of every call that has been answered, in order."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return [(names.get(one.call_id, "tool"), one.content) for one in messages if one.role == "tool"]


def report(results: Sequence[tuple[str, str]], brief: Brief) -> str:
    """Return the answer's part about the tools: what each of them returned."""
    opening = (
        "这是模拟模型：它按名称调用工具并报告其返回，不会思考。"
        if is_chinese(brief.instruction or brief.document)
        else "This is the simulated model: it calls tools by name and reports what they return, it does not think."
    )
    lines = [f"- {name}: {' '.join(content.split())[:SHOWN]}" for name, content in results]
    return "\n".join([opening, "", *lines])


def with_results(value: Any, schema: Mapping[str, Any], results: Sequence[tuple[str, str]]) -> Any:
    """Put what tools returned into the properties that are named like them, where it fits their schema."""
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, Mapping):
        return value
    for name, content in results:
        found = _parsed(content)
        for key, part in properties.items():
            is_named = key == name or key in re.split(r"[_-]", name)
            if is_named and isinstance(part, Mapping) and _fits(found, part):
                value[key] = found
    return value


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    try:
        return bool(Draft202012Validator(schema).is_valid(value))
    except Exception:  # a foreign schema can raise nearly anything
        return False


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _is_mentioned(spec: ToolSpec, task: str) -> bool:
    said = {word.lower()[:STEM] for word in WORD.findall(task)}
    words = [word.lower() for word in WORD.findall(spec.name)]
    return any(word[:STEM] in said for word in words if len(word) >= STEM and word not in GENERIC)


def _arguments(schema: Mapping[str, Any], brief: Brief) -> dict[str, Any] | None:
    """Return arguments from the task, or None when a required one is not in it."""
    numbers = iter(NUMBER.findall(brief.instruction))
    required = schema.get("required", ())
    found: dict[str, Any] = {}
    for name, part in schema.get("properties", {}).items():
        value = _argument(part, brief, numbers) if name in required or _is_asked(name, brief) else None
        if value is not None:
            found[name] = value
        elif name in required:
            return None
    return found


def _is_asked(name: str, brief: Brief) -> bool:
    return name in brief.instruction


def _argument(part: Mapping[str, Any], brief: Brief, numbers: Iterator[str]) -> Any:
    if part.get("enum"):
        return part["enum"][0]
    kind = part.get("type", "string")
    if kind in ("integer", "number"):
        number = next(numbers, None)
        if number is None:
            return None
        return int(float(number)) if kind == "integer" else float(number)
    if kind == "boolean":
        return True
    return (brief.document or brief.instruction) if kind == "string" else None
