"""How the responses API asks and answers, from the server's side."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from orchestra.llm.client import Message, ModelRequest, ToolCall, ToolSpec
from orchestra.llm.dialects import Dialect, Reply, pieces_of


class ResponsesDialect(Dialect):
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        given = body["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        system = str(body.get("instructions") or "")
        form = (body.get("text") or {}).get("format") or {}
        return ModelRequest(
            model=str(body["model"]),
            messages=((Message("system", system),) if system else ()) + tuple(_turns(items)),
            max_tokens=body.get("max_output_tokens"),
            schema=form.get("schema"),
            tools=tuple(_tool(tool) for tool in body.get("tools") or ()),
        )

    def whole(self, asked: ModelRequest, answer: Reply) -> dict[str, Any]:
        text = {"type": "output_text", "text": answer.text, "annotations": []}
        said = {"type": "message", "id": "msg_simulated", "role": "assistant", "content": [text]}
        is_cut = answer.reason == "length"
        return {
            "id": "resp_simulated",
            "object": "response",
            "created_at": int(time.time()),
            "status": "incomplete" if is_cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "error": None,
            "model": asked.model,
            "output": [said, *(_item(call) for call in answer.calls)],
            "usage": {
                "input_tokens": answer.usage[0],
                "output_tokens": answer.usage[1],
                "total_tokens": sum(answer.usage),
            },
        }

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        frame = {"id": "resp_simulated", "object": "response", "status": "in_progress", "model": asked.model}
        said = {"type": "message", "id": "msg_simulated", "role": "assistant", "content": []}
        return [
            _event("response.created", {"response": {**frame, "error": None}}),
            _event("response.output_item.added", {"output_index": 0, "item": said}),
        ]

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        place = {"item_id": "msg_simulated", "output_index": 0, "content_index": 0}
        return [_event("response.output_text.delta", {**place, "delta": text})]

    def closing(self, asked: ModelRequest, answer: Reply) -> list[str]:
        calls = [e for index, call in enumerate(answer.calls, start=1) for e in _call_events(index, call)]
        kind = "response.incomplete" if answer.reason == "length" else "response.completed"
        return [*calls, _event(kind, {"response": self.whole(asked, answer)})]


def _call_events(index: int, call: ToolCall) -> Iterator[str]:
    item = {**_item(call), "arguments": ""}
    yield _event("response.output_item.added", {"output_index": index, "item": item})
    for piece in pieces_of(call.arguments):
        yield _event(
            "response.function_call_arguments.delta",
            {"output_index": index, "item_id": call.id, "delta": piece},
        )


def _event(kind: str, value: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **value})}\n\n"


def _item(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


def _turns(items: list[Mapping[str, Any]]) -> Iterator[Message]:
    """Yield the turns; calls that follow one another are one turn."""
    calls: list[ToolCall] = []
    for item in items:
        if item.get("type") == "function_call":
            calls.append(ToolCall(str(item["call_id"]), str(item["name"]), str(item["arguments"])))
            continue
        if calls:
            yield Message("assistant", "", tool_calls=tuple(calls))
            calls = []
        if item.get("type") == "function_call_output":
            yield Message("tool", str(item["output"]), call_id=str(item["call_id"]))
        else:
            yield Message(str(item["role"]), _plain(item.get("content") or ""))


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content if "text" in part)


def _tool(tool: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(str(tool["name"]), str(tool.get("description") or ""), tool.get("parameters") or {})
