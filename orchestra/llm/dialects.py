"""How the two provider APIs ask and answer, from the server's side."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from orchestra.llm.client import Message, ModelRequest


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def _turns(body: Mapping[str, Any]) -> tuple[Message, ...]:
    return tuple(Message(str(one["role"]), _plain(one.get("content") or "")) for one in body["messages"])


class Dialect(ABC):
    """How one API asks and answers."""

    @abstractmethod
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        """Read a request's body. Raises ValueError, KeyError, TypeError, AttributeError."""

    @abstractmethod
    def whole(self, asked: ModelRequest, text: str, reason: str, usage: tuple[int, int]) -> dict[str, Any]:
        """Return the whole answer's body; `usage` is (input, output) tokens."""

    @abstractmethod
    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        """Return the events before the text."""

    @abstractmethod
    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        """Return the events of one piece of text."""

    @abstractmethod
    def closing(self, asked: ModelRequest, reason: str, usage: tuple[int, int]) -> list[str]:
        """Return the events after the text."""


class ChatDialect(Dialect):
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        shape = (body.get("response_format") or {}).get("json_schema") or {}
        return ModelRequest(
            model=str(body["model"]),
            messages=_turns(body),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            schema=shape.get("schema"),
        )

    def whole(self, asked: ModelRequest, text: str, reason: str, usage: tuple[int, int]) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        return {
            **self._frame(asked, "chat.completion"),
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": self._usage(usage),
        }

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        return [self._event(asked, {"role": "assistant", "content": ""}, None)]

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        return [self._event(asked, {"content": text}, None)]

    def closing(self, asked: ModelRequest, reason: str, usage: tuple[int, int]) -> list[str]:
        last = {**self._frame(asked, "chat.completion.chunk"), "choices": [], "usage": self._usage(usage)}
        return [self._event(asked, {}, reason), f"data: {json.dumps(last)}\n\n", "data: [DONE]\n\n"]

    def _event(self, asked: ModelRequest, delta: dict[str, str], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({**self._frame(asked, 'chat.completion.chunk'), 'choices': [choice]})}\n\n"

    def _frame(self, asked: ModelRequest, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-simulated", "object": kind, "created": int(time.time()), "model": asked.model}

    def _usage(self, usage: tuple[int, int]) -> dict[str, int]:
        return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


class MessagesDialect(Dialect):
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        system = _plain(body.get("system") or "")
        tools = body.get("tools") if body.get("tool_choice") else None
        return ModelRequest(
            model=str(body["model"]),
            messages=((Message("system", system),) if system else ()) + _turns(body),
            max_tokens=body.get("max_tokens"),
            schema=tools[0]["input_schema"] if tools else None,
        )

    def whole(self, asked: ModelRequest, text: str, reason: str, usage: tuple[int, int]) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "text", "text": text}
        if asked.schema is not None and reason == "stop":
            block = {"type": "tool_use", "id": "toolu_simulated", "name": "answer", "input": json.loads(text)}
        return {
            **self._frame(asked),
            "content": [block],
            "stop_reason": self._reason(reason),
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        }

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        message = {
            **self._frame(asked),
            "content": [],
            "usage": {"input_tokens": usage[0], "output_tokens": 0},
        }
        block: dict[str, Any] = {"type": "text", "text": ""}
        if asked.schema is not None:
            block = {"type": "tool_use", "id": "toolu_simulated", "name": "answer", "input": {}}
        return [
            self._event("message_start", {"message": message}),
            self._event("content_block_start", {"index": 0, "content_block": block}),
        ]

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        delta = {"type": "text_delta", "text": text}
        if asked.schema is not None:
            delta = {"type": "input_json_delta", "partial_json": text}
        return [self._event("content_block_delta", {"index": 0, "delta": delta})]

    def closing(self, asked: ModelRequest, reason: str, usage: tuple[int, int]) -> list[str]:
        end = {"delta": {"stop_reason": self._reason(reason)}, "usage": {"output_tokens": usage[1]}}
        return [
            self._event("content_block_stop", {"index": 0}),
            self._event("message_delta", end),
            self._event("message_stop", {}),
        ]

    def _event(self, kind: str, value: dict[str, Any]) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **value})}\n\n"

    def _frame(self, asked: ModelRequest) -> dict[str, Any]:
        return {"id": "msg_simulated", "type": "message", "role": "assistant", "model": asked.model}

    def _reason(self, reason: str) -> str:
        return "max_tokens" if reason == "length" else "end_turn"
