"""The OpenAI dialect: chat completions, streamed; most other providers and local servers speak it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from orchestra.errors import ModelRefused, ModelUnavailable
from orchestra.llm.calls import CallBuilder
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, TextDelta, ToolSpec
from orchestra.llm.provider import UNSUPPORTED, ProviderClient, StreamReader, cut
from orchestra.llm.sse import ServerEvent
from orchestra.llm.structured import with_instructions
from orchestra.llm.tokens import count_tokens

HOST_WITH_NEW_LIMIT = "api.openai.com"


class OpenAIClient(ProviderClient):
    """Chat completions at `<base URL>/chat/completions`; the base URL ends in `/v1` at most providers.

    Own options: `structured` (`schema`, or `prompt` for servers that ignore `response_format`), `body` (extra
    fields of the request's body).
    """

    path: ClassVar[str] = "/chat/completions"
    droppable: ClassVar[Mapping[str, str]] = {
        "schema": r"response_format|json_schema",
        "usage": r"stream_options|include_usage",
        "new_limit": r"max_completion_tokens",
        "temperature": UNSUPPORTED.format("temperature"),
    }

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"} if self._secret else {}

    def payload(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        in_words = "schema" in without or self._options.get("structured") == "prompt"
        messages = request.messages
        if request.schema is not None and in_words:
            messages = with_instructions(messages, request.schema)
        extra = self._options.get("body")
        body: dict[str, Any] = dict(extra) if isinstance(extra, Mapping) else {}
        body |= {"model": request.model, "messages": [_turn(one) for one in messages], "stream": True}
        if "usage" not in without:
            body["stream_options"] = {"include_usage": True}
        if request.temperature is not None and "temperature" not in without:
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            is_new = HOST_WITH_NEW_LIMIT in self._base_url and "new_limit" not in without
            body["max_completion_tokens" if is_new else "max_tokens"] = request.max_tokens
        if request.tools:
            body["tools"] = [_tool(spec) for spec in request.tools]
        if request.schema is not None and not in_words:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": request.schema,
                    "strict": is_strict(request.schema),
                },
            }
        return body

    def reader(self, request: ModelRequest) -> StreamReader:
        return _Reader(request)


class _Reader(StreamReader):
    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._reason = ""
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._texts: list[str] = []
        self._calls = CallBuilder()

    def read(self, event: ServerEvent, secret: str) -> list[Chunk]:
        if event.data == b"[DONE]":
            self.is_complete = True
            return []
        return super().read(event, secret)

    def take(self, event: ServerEvent, value: dict[str, Any]) -> list[Chunk]:
        self._note(value)
        choices = value.get("choices")
        if not choices:
            return []
        choice = _first(choices)
        self._reason = choice.get("finish_reason") or self._reason
        return self._text(choice.get("delta"))

    def read_whole(self, value: dict[str, Any]) -> list[Chunk]:
        self._note(value)
        choice = _first(value.get("choices"))
        self._reason, self.is_complete = choice.get("finish_reason") or "stop", True
        return self._text(choice.get("message"))

    def finish(self) -> Chunk:
        # Some servers leave out [DONE]; a finish reason says as well that the answer is whole.
        if not self.is_complete and not self._reason:
            raise cut()
        tokens_in = self._usage.get("prompt_tokens")
        tokens_out = self._usage.get("completion_tokens")
        return Finish(
            reason=self._reason or "stop",
            input_tokens=tokens_in if isinstance(tokens_in, int) else _tokens_in(self._request),
            output_tokens=tokens_out if isinstance(tokens_out, int) else self._tokens_out(),
            model=self._model,
            tool_calls=self._calls.built(),
        )

    def _tokens_out(self) -> int:
        return count_tokens("".join(self._texts) + self._calls.text())

    def _note(self, value: dict[str, Any]) -> None:
        usage, model = value.get("usage"), value.get("model")
        if isinstance(usage, dict):
            self._usage = usage
        if isinstance(model, str):
            self._model = model

    def _text(self, part: Any) -> list[Chunk]:
        if not isinstance(part, dict):
            return []
        if part.get("refusal"):
            raise ModelRefused(f"The model declines: {str(part['refusal'])[:300]}")
        for position, call in enumerate(part.get("tool_calls") or ()):
            self._calls.take(position, call)
        text = part.get("content")
        if not isinstance(text, str) or not text:
            return []
        self._texts.append(text)
        return [TextDelta(text)]


def is_strict(schema: Any) -> bool:
    """Say whether a schema meets the strict mode's rules: closed objects whose every property is required."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(properties) != set(
            schema.get("required", ())
        ):
            return False
        return all(is_strict(part) for part in properties.values())
    return all(is_strict(value) for key, value in schema.items() if key not in ("enum", "const", "default"))


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.schema}
    return {"type": "function", "function": function}


def _turn(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    if message.tool_calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}]
    parts += [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return {"role": message.role, "content": parts}


def _first(choices: Any) -> dict[str, Any]:
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
    return choices[0]


def _tokens_in(request: ModelRequest) -> int:
    return sum(count_tokens(message.content) for message in request.messages)
