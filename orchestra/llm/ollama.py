"""The Ollama dialect: its own chat API, streamed as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from orchestra.errors import ModelRefused, ModelUnavailable
from orchestra.llm.calls import CallBuilder
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, TextDelta, ToolCall
from orchestra.llm.provider import ProviderClient, StreamReader, cut
from orchestra.llm.sse import ServerEvent
from orchestra.llm.structured import with_instructions
from orchestra.llm.tokens import count_tokens


class OllamaClient(ProviderClient):
    """Chats at `<base URL>/api/chat`. A schema beside tools is asked for in words, for a format keeps tools unused.

    Own option: `body` (extra fields of the request's body, such as `keep_alive` and `think`).
    """

    path: ClassVar[str] = "/api/chat"
    models_path: ClassVar[str] = "/api/tags"
    droppable: ClassVar[Mapping[str, str]] = {"schema": r"\bformat\b"}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"} if self._secret else {}

    def payload(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        as_schema = request.schema is not None and not request.tools and "schema" not in without
        messages = request.messages
        if request.schema is not None and not as_schema:
            messages = with_instructions(messages, request.schema)
        extra = self._options.get("body")
        body: dict[str, Any] = dict(extra) if isinstance(extra, Mapping) else {}
        body |= {"model": request.model, "messages": _turns(messages), "stream": True}
        options = {"temperature": request.temperature, "num_predict": request.max_tokens}
        given = {key: value for key, value in options.items() if value is not None}
        if given:
            body["options"] = {**(body.get("options") or {}), **given}
        if as_schema:
            body["format"] = request.schema
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": spec.name,
                        "description": spec.description,
                        "parameters": spec.schema,
                    },
                }
                for spec in request.tools
            ]
        return body

    def reader(self, request: ModelRequest) -> StreamReader:
        return _Reader(request)

    def model_names(self, answer: Mapping[str, Any]) -> list[str] | None:
        found = answer.get("models")
        if not isinstance(found, list):
            return None
        return [str(one["name"]) for one in found if isinstance(one, Mapping) and "name" in one]


class _Reader(StreamReader):
    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._calls = CallBuilder()
        self._count = 0
        self._texts: list[str] = []
        self._last: Mapping[str, Any] = {}

    def take(self, event: ServerEvent, value: dict[str, Any]) -> list[Chunk]:
        if value.get("done"):
            self._last, self.is_complete = value, True
        message = value.get("message")
        if not isinstance(message, Mapping):
            return []
        for call in message.get("tool_calls") or ():
            self._call(call)
        text = message.get("content")
        if not isinstance(text, str) or not text:
            return []
        self._texts.append(text)
        return [TextDelta(text)]

    def read_whole(self, value: dict[str, Any]) -> list[Chunk]:
        if "message" not in value:
            raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
        return self.take(ServerEvent(b"", b""), {**value, "done": True})

    def finish(self) -> Chunk:
        if not self.is_complete:
            raise cut()
        tokens_in, tokens_out = self._last.get("prompt_eval_count"), self._last.get("eval_count")
        return Finish(
            reason="length" if self._last.get("done_reason") == "length" else "stop",
            input_tokens=tokens_in if isinstance(tokens_in, int) else self._tokens_in(),
            output_tokens=tokens_out if isinstance(tokens_out, int) else count_tokens("".join(self._texts)),
            model=str(self._last.get("model") or ""),
            tool_calls=self._calls.built(),
        )

    def _call(self, call: Any) -> None:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            raise ModelUnavailable("The model's tool call cannot be read.")
        self._count += 1
        self._calls.begin(self._count, str(call.get("id") or ""), str(function.get("name") or ""))
        self._calls.extend(self._count, json.dumps(function.get("arguments") or {}, ensure_ascii=False))

    def _tokens_in(self) -> int:
        return sum(count_tokens(message.content) for message in self._request.messages)


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return [_turn(one, names) for one in messages]


def _turn(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        turn["tool_name"] = names.get(message.call_id, "tool")
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.images:
        turn["images"] = [_image(url) for url in message.images]
    return turn


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = {}
    return {"function": {"name": call.name, "arguments": given if isinstance(given, dict) else {}}}


def _image(url: str) -> str:
    """Return an image's bytes as base64. Raises ModelRefused for one that Ollama would have to fetch."""
    if not url.startswith("data:"):
        raise ModelRefused("Ollama takes images as data URLs only.")
    return url.partition(";base64,")[2]
