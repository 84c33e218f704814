"""How Ollama's chat API asks and answers, from the server's side: lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestra.llm.client import Message, ModelRequest, ToolCall, ToolSpec
from orchestra.llm.dialects import Dialect, Reply


class OllamaDialect(Dialect):
    content_type = "application/x-ndjson"
    streams_unasked = True

    def asked(self, body: dict[str, Any]) -> ModelRequest:
        form = body.get("format")
        return ModelRequest(
            model=str(body["model"]),
            messages=tuple(_turn(one) for one in body["messages"]),
            max_tokens=(body.get("options") or {}).get("num_predict"),
            schema=form if isinstance(form, dict) else None,
            tools=tuple(_tool(tool["function"]) for tool in body.get("tools") or ()),
        )

    def whole(self, asked: ModelRequest, answer: Reply) -> dict[str, Any]:
        return self._end(asked, answer, answer.text)

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        return []

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        return [_line({**_frame(asked), "message": {"role": "assistant", "content": text}, "done": False})]

    def closing(self, asked: ModelRequest, answer: Reply) -> list[str]:
        return [_line(self._end(asked, answer, ""))]

    def _end(self, asked: ModelRequest, answer: Reply, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if answer.calls:
            message["tool_calls"] = [
                {"function": {"name": call.name, "arguments": json.loads(call.arguments)}}
                for call in answer.calls
            ]
        return {
            **_frame(asked),
            "message": message,
            "done": True,
            "done_reason": "length" if answer.reason == "length" else "stop",
            "prompt_eval_count": answer.usage[0],
            "eval_count": answer.usage[1],
        }


def _line(value: dict[str, Any]) -> str:
    return f"{json.dumps(value)}\n"


def _frame(asked: ModelRequest) -> dict[str, Any]:
    return {"model": asked.model, "created_at": datetime.now(UTC).isoformat()}


def _turn(one: Mapping[str, Any]) -> Message:
    """Read a turn; the API knows no ids, so that a result is known by its tool's name."""
    calls = tuple(
        ToolCall(
            str(call["function"]["name"]),
            str(call["function"]["name"]),
            json.dumps(call["function"]["arguments"]),
        )
        for call in one.get("tool_calls") or ()
    )
    return Message(
        str(one["role"]),
        str(one.get("content") or ""),
        tool_calls=calls,
        call_id=str(one.get("tool_name") or ""),
    )


def _tool(function: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(
        str(function["name"]), str(function.get("description") or ""), function.get("parameters") or {}
    )
