"""How provider APIs ask and answer, from the server's side: chat completions and messages."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from orchestra.llm.client import Message, ModelRequest, ToolCall, ToolSpec


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: its text, why it ended, (input, output) tokens, and the calls that it asks for."""

    text: str
    reason: str
    usage: tuple[int, int]
    calls: tuple[ToolCall, ...] = ()


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def _chat_turn(one: Mapping[str, Any]) -> Message:
    calls = tuple(
        ToolCall(str(call["id"]), str(call["function"]["name"]), str(call["function"]["arguments"]))
        for call in one.get("tool_calls") or ()
    )
    text = _plain(one.get("content") or "")
    return Message(str(one["role"]), text, tool_calls=calls, call_id=str(one.get("tool_call_id") or ""))


def _message_turns(one: Mapping[str, Any]) -> Iterator[Message]:
    """Yield a turn of the messages API; the results of tools in it are turns of their own."""
    content = one.get("content") or ""
    blocks = content if isinstance(content, list) else []
    for block in blocks:
        if block.get("type") == "tool_result":
            yield Message("tool", _plain(block.get("content") or ""), call_id=str(block["tool_use_id"]))
    calls = tuple(
        ToolCall(str(block["id"]), str(block["name"]), json.dumps(block.get("input") or {}))
        for block in blocks
        if block.get("type") == "tool_use"
    )
    text = _plain(content)
    if text or calls or not blocks:
        yield Message(str(one["role"]), text, tool_calls=calls)


def pieces_of(arguments: str) -> tuple[str, str]:
    """Cut arguments in two, as streams do."""
    return arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]


class Dialect(ABC):
    """How one API asks and answers."""

    content_type: ClassVar[str] = "text/event-stream"
    streams_unasked: ClassVar[bool] = False
    """Whether a request that does not say `stream` is streamed."""

    @abstractmethod
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        """Read a request's body. Raises ValueError, KeyError, TypeError, AttributeError."""

    @abstractmethod
    def whole(self, asked: ModelRequest, answer: Reply) -> dict[str, Any]:
        """Return the whole answer's body."""

    @abstractmethod
    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        """Return the events before the text."""

    @abstractmethod
    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        """Return the events of one piece of text."""

    @abstractmethod
    def closing(self, asked: ModelRequest, answer: Reply) -> list[str]:
        """Return the events after the text: the calls, and the end."""


class ChatDialect(Dialect):
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        shape = (body.get("response_format") or {}).get("json_schema") or {}
        return ModelRequest(
            model=str(body["model"]),
            messages=tuple(_chat_turn(one) for one in body["messages"]),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            schema=shape.get("schema"),
            tools=tuple(_chat_tool(tool["function"]) for tool in body.get("tools") or ()),
        )

    def whole(self, asked: ModelRequest, answer: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in answer.calls
            ]
        return {
            **self._frame(asked, "chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": answer.reason}],
            "usage": self._usage(answer.usage),
        }

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        return [self._event(asked, {"role": "assistant", "content": ""}, None)]

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        return [self._event(asked, {"content": text}, None)]

    def closing(self, asked: ModelRequest, answer: Reply) -> list[str]:
        frame = self._frame(asked, "chat.completion.chunk")
        last = {**frame, "choices": [], "usage": self._usage(answer.usage)}
        calls = [
            self._event(asked, {"tool_calls": [{"index": index, **part}]}, None)
            for index, call in enumerate(answer.calls)
            for part in self._call(call)
        ]
        end = self._event(asked, {}, answer.reason)
        return [*calls, end, f"data: {json.dumps(last)}\n\n", "data: [DONE]\n\n"]

    def _call(self, call: ToolCall) -> list[dict[str, Any]]:
        first, second = pieces_of(call.arguments)
        return [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": first}},
            {"function": {"arguments": second}},
        ]

    def _event(self, asked: ModelRequest, delta: dict[str, Any], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({**self._frame(asked, 'chat.completion.chunk'), 'choices': [choice]})}\n\n"

    def _frame(self, asked: ModelRequest, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-simulated", "object": kind, "created": int(time.time()), "model": asked.model}

    def _usage(self, usage: tuple[int, int]) -> dict[str, int]:
        return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


class MessagesDialect(Dialect):
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        system = _plain(body.get("system") or "")
        tools = body.get("tools") or ()
        is_forced = (body.get("tool_choice") or {}).get("type") == "tool"
        turns = tuple(turn for one in body["messages"] for turn in _message_turns(one))
        return ModelRequest(
            model=str(body["model"]),
            messages=((Message("system", system),) if system else ()) + turns,
            max_tokens=body.get("max_tokens"),
            schema=tools[0]["input_schema"] if tools and is_forced else None,
            tools=() if is_forced else tuple(_message_tool(tool) for tool in tools),
        )

    def whole(self, asked: ModelRequest, answer: Reply) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": answer.text}
        if asked.schema is not None and answer.reason == "stop":
            given = json.loads(answer.text)
            block = {"type": "tool_use", "id": "toolu_simulated", "name": "answer", "input": given}
        calls = [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
            for call in answer.calls
        ]
        return {
            **self._frame(asked),
            "content": [block, *calls],
            "stop_reason": self._reason(answer.reason),
            "usage": {"input_tokens": answer.usage[0], "output_tokens": answer.usage[1]},
        }

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        message = {
            **self._frame(asked),
            "content": [],
            "usage": {"input_tokens": usage[0], "output_tokens": 0},
        }
        block: dict[str, Any] = {"type": "text", "text": ""}
        if asked.schema is not None and not asked.tools:
            block = {"type": "tool_use", "id": "toolu_simulated", "name": "answer", "input": {}}
        return [
            self._event("message_start", {"message": message}),
            self._event("content_block_start", {"index": 0, "content_block": block}),
        ]

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        delta = {"type": "text_delta", "text": text}
        if asked.schema is not None and not asked.tools:
            delta = {"type": "input_json_delta", "partial_json": text}
        return [self._event("content_block_delta", {"index": 0, "delta": delta})]

    def closing(self, asked: ModelRequest, answer: Reply) -> list[str]:
        stop = {"stop_reason": self._reason(answer.reason)}
        end = {"delta": stop, "usage": {"output_tokens": answer.usage[1]}}
        calls = [e for index, call in enumerate(answer.calls, start=1) for e in self._call(index, call)]
        return [
            self._event("content_block_stop", {"index": 0}),
            *calls,
            self._event("message_delta", end),
            self._event("message_stop", {}),
        ]

    def _event(self, kind: str, value: dict[str, Any]) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **value})}\n\n"

    def _call(self, index: int, call: ToolCall) -> list[str]:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        deltas = [
            {"index": index, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in pieces_of(call.arguments)
        ]
        return [
            self._event("content_block_start", {"index": index, "content_block": block}),
            *(self._event("content_block_delta", delta) for delta in deltas),
            self._event("content_block_stop", {"index": index}),
        ]

    def _frame(self, asked: ModelRequest) -> dict[str, Any]:
        return {"id": "msg_simulated", "type": "message", "role": "assistant", "model": asked.model}

    def _reason(self, reason: str) -> str:
        return {"length": "max_tokens", "tool_calls": "tool_use"}.get(reason, "end_turn")


def _chat_tool(function: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(
        str(function["name"]), str(function.get("description") or ""), function.get("parameters") or {}
    )


def _message_tool(tool: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(str(tool["name"]), str(tool.get("description") or ""), tool["input_schema"])
