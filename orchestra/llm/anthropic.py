"""The Anthropic dialect: the messages API, streamed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from orchestra.errors import ModelUnavailable
from orchestra.llm.calls import CallBuilder
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, TextDelta, ToolCall
from orchestra.llm.provider import UNSUPPORTED, ProviderClient, StreamReader, cut
from orchestra.llm.sse import ServerEvent
from orchestra.llm.structured import with_instructions

VERSION = "2023-06-01"
MAX_TOKENS = 4096
ANSWER_TOOL = "answer"
REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "stop"}


class AnthropicClient(ProviderClient):
    """Messages at `<base URL>/messages`; the base URL ends in `/v1`.

    A schema of an object is asked for through a forced tool whose input is the answer; another one, and any beside
    tools of the request, in words.
    """

    path: ClassVar[str] = "/messages"
    droppable: ClassVar[Mapping[str, str]] = {
        "tool": r"tool_choice|\btools\b",
        "temperature": UNSUPPORTED.format("temperature"),
    }

    def headers(self) -> dict[str, str]:
        return {"x-api-key": self._secret, "anthropic-version": VERSION}

    def payload(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        as_tool = _is_tool(request) and "tool" not in without
        messages = request.messages
        if request.schema is not None and not as_tool:
            messages = with_instructions(messages, request.schema)
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_tokens or MAX_TOKENS,
            "messages": _turns(messages),
            "stream": True,
        }
        system = "\n\n".join(one.content for one in messages if one.role == "system")
        if system:
            body["system"] = system
        if request.temperature is not None and "temperature" not in without:
            body["temperature"] = min(request.temperature, 1.0)
        if as_tool:
            tool = {"name": ANSWER_TOOL, "description": "Give the answer.", "input_schema": request.schema}
            body |= {"tools": [tool], "tool_choice": {"type": "tool", "name": ANSWER_TOOL}}
        if request.tools:
            body["tools"] = [
                {"name": spec.name, "description": spec.description, "input_schema": spec.schema}
                for spec in request.tools
            ]
        return body

    def reader(self, request: ModelRequest) -> StreamReader:
        return _Reader(has_tools=bool(request.tools))


class _Reader(StreamReader):
    def __init__(self, *, has_tools: bool) -> None:
        self._has_tools = has_tools
        self._calls = CallBuilder()
        self._reason = ""
        self._model = ""
        self._input = 0
        self._output = 0

    def take(self, event: ServerEvent, value: dict[str, Any]) -> list[Chunk]:
        kind = value.get("type")
        if kind == "content_block_delta":
            return self._piece(value)
        if kind == "content_block_start":
            self._block(value)
        elif kind == "message_start":
            message = value.get("message") or {}
            self._model = str(message.get("model") or "")
            self._count(message.get("usage"))
        elif kind == "message_delta":
            self._reason = str((value.get("delta") or {}).get("stop_reason") or self._reason)
            self._count(value.get("usage"))
        elif kind == "message_stop":
            self.is_complete = True
        return []

    def read_whole(self, value: dict[str, Any]) -> list[Chunk]:
        content = value.get("content")
        if value.get("type") != "message" or not isinstance(content, list):
            raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
        self._model, self._reason = str(value.get("model") or ""), str(value.get("stop_reason") or "end_turn")
        self._count(value.get("usage"))
        self.is_complete = True
        parts = [part for part in content if isinstance(part, Mapping)]
        texts = [str(part["text"]) for part in parts if part.get("type") == "text"]
        for position, part in enumerate(parts):
            if part.get("type") == "tool_use" and self._has_tools:
                self._calls.begin(position, str(part.get("id") or ""), str(part.get("name") or ""))
                self._calls.extend(position, json.dumps(part.get("input") or {}))
            elif part.get("type") == "tool_use":
                texts.append(json.dumps(part.get("input")))
        return [TextDelta(text) for text in texts]

    def finish(self) -> Chunk:
        if not self.is_complete:
            raise cut()
        reason = REASONS.get(self._reason, self._reason or "stop")
        return Finish(reason, self._input, self._output, self._model, self._calls.built())

    def _block(self, value: Mapping[str, Any]) -> None:
        """Note the beginning of a call; without tools of the request a tool's input is the answer itself."""
        block = value.get("content_block")
        if self._has_tools and isinstance(block, Mapping) and block.get("type") == "tool_use":
            self._calls.begin(value.get("index"), str(block.get("id") or ""), str(block.get("name") or ""))

    def _piece(self, value: Mapping[str, Any]) -> list[Chunk]:
        delta = value.get("delta")
        if self._has_tools and isinstance(delta, Mapping) and delta.get("type") == "input_json_delta":
            self._calls.extend(value.get("index"), str(delta.get("partial_json") or ""))
            return []
        return _texts(delta)

    def _count(self, usage: Any) -> None:
        if not isinstance(usage, Mapping):
            return
        cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
        if isinstance(usage.get("input_tokens"), int):
            self._input = usage["input_tokens"] + sum(usage.get(key) or 0 for key in cached)
        if isinstance(usage.get("output_tokens"), int):
            self._output = usage["output_tokens"]


def _texts(delta: Any) -> list[Chunk]:
    if not isinstance(delta, dict):
        return []
    text = delta.get("text") or delta.get("partial_json")
    return [TextDelta(text)] if isinstance(text, str) and text else []


def _is_tool(request: ModelRequest) -> bool:
    return request.schema is not None and request.schema.get("type") == "object" and not request.tools


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the turns without the system's; the first one must be the user's."""
    turns: list[dict[str, Any]] = []
    for one in messages:
        if one.role in ("user", "assistant"):
            turns.append({"role": one.role, "content": _content(one)})
        elif one.role == "tool":
            _add_result(turns, one)
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": "Begin."})
    return turns


def _add_result(turns: list[dict[str, Any]], message: Message) -> None:
    """Add a tool's result; the results of one turn's calls stand together in the user's next turn."""
    block = {"type": "tool_result", "tool_use_id": message.call_id, "content": message.content}
    content = turns[-1]["content"] if turns else None
    if isinstance(content, list) and content and content[-1]["type"] == "tool_result":
        content.append(block)
    else:
        turns.append({"role": "user", "content": [block]})


def _content(message: Message) -> str | list[dict[str, Any]]:
    if message.tool_calls:
        said = [{"type": "text", "text": message.content}] if message.content else []
        return [*said, *(_call(call) for call in message.tool_calls)]
    if not message.images:
        return message.content
    return [*(_image(url) for url in message.images), {"type": "text", "text": message.content}]


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = {}
    given = given if isinstance(given, dict) else {}
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}


def _image(url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
