"""The Gemini dialect: `streamGenerateContent`, as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from orchestra.errors import ModelRefused, ModelUnavailable
from orchestra.llm.calls import CallBuilder
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, TextDelta, ToolCall
from orchestra.llm.provider import ProviderClient, StreamReader, cut
from orchestra.llm.sse import ServerEvent
from orchestra.llm.structured import with_instructions

REFUSALS = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"})
SIGNED = "~"
"""Stands in a call's id before the signature that newer models want back with the call."""


class GeminiClient(ProviderClient):
    """Models at `<base URL>/models/<model>`; the base URL ends in `/v1beta`.

    A schema beside tools is asked for in words.
    """

    path: ClassVar[str] = "/models"
    droppable: ClassVar[Mapping[str, str]] = {"schema": r"response_?json_?schema|response_?mime_?type"}

    def headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self._secret} if self._secret else {}

    def address(self, request: ModelRequest) -> str:
        name = quote(request.model.removeprefix("models/"), safe="-._~")
        return f"{self._base_url}/models/{name}:streamGenerateContent?alt=sse"

    def payload(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        as_schema = request.schema is not None and not request.tools and "schema" not in without
        messages = request.messages
        if request.schema is not None and not as_schema:
            messages = with_instructions(messages, request.schema)
        config: dict[str, Any] = {}
        if request.temperature is not None:
            config["temperature"] = request.temperature
        if request.max_tokens is not None:
            config["maxOutputTokens"] = request.max_tokens
        if as_schema:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": request.schema}
        body: dict[str, Any] = {"contents": _contents(messages)}
        system = "\n\n".join(one.content for one in messages if one.role == "system")
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        if config:
            body["generationConfig"] = config
        if request.tools:
            declared = [
                {"name": spec.name, "description": spec.description, "parametersJsonSchema": spec.schema}
                for spec in request.tools
            ]
            body["tools"] = [{"functionDeclarations": declared}]
        return body

    def reader(self, request: ModelRequest) -> StreamReader:
        return _Reader()

    def model_names(self, answer: Mapping[str, Any]) -> list[str] | None:
        found = answer.get("models")
        if not isinstance(found, list):
            return None
        return [
            str(one["name"]).removeprefix("models/")
            for one in found
            if isinstance(one, Mapping) and _talks(one)
        ]


class _Reader(StreamReader):
    def __init__(self) -> None:
        self._calls = CallBuilder()
        self._count = 0
        self._reason = ""
        self._model = ""
        self._usage: Mapping[str, Any] = {}

    def take(self, event: ServerEvent, value: dict[str, Any]) -> list[Chunk]:
        usage, feedback = value.get("usageMetadata"), value.get("promptFeedback")
        self._usage = usage if isinstance(usage, Mapping) else self._usage
        self._model = str(value.get("modelVersion") or self._model)
        if isinstance(feedback, Mapping) and feedback.get("blockReason"):
            raise ModelRefused(f"The provider refuses the prompt: {str(feedback['blockReason'])[:100]}.")
        candidates = value.get("candidates")
        if not isinstance(candidates, list) or not candidates or not isinstance(candidates[0], Mapping):
            return []
        candidate = candidates[0]
        self._reason = str(candidate.get("finishReason") or self._reason)
        if self._reason in REFUSALS:
            raise ModelRefused(f"The provider has stopped the answer: {self._reason}.")
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, Mapping) else None
        return [chunk for part in parts or () for chunk in self._part(part)]

    def read_whole(self, value: dict[str, Any]) -> list[Chunk]:
        if "candidates" not in value and "promptFeedback" not in value:
            raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
        return self.take(ServerEvent(b"", b""), value)

    def finish(self) -> Chunk:
        if not self._reason:
            raise cut()
        made = _number(self._usage.get("candidatesTokenCount")) + _number(
            self._usage.get("thoughtsTokenCount")
        )
        return Finish(
            reason="length" if self._reason == "MAX_TOKENS" else "stop",
            input_tokens=_number(self._usage.get("promptTokenCount")),
            output_tokens=made,
            model=self._model,
            tool_calls=self._calls.built(),
        )

    def _part(self, part: Any) -> list[Chunk]:
        if not isinstance(part, Mapping):
            return []
        call = part.get("functionCall")
        if isinstance(call, Mapping):
            self._count += 1
            signature = str(part.get("thoughtSignature") or "")
            call_id = str(call.get("id") or f"call_{self._count}")
            self._calls.begin(
                self._count,
                f"{call_id}{SIGNED}{signature}" if signature else call_id,
                str(call.get("name") or ""),
            )
            self._calls.extend(self._count, json.dumps(call.get("args") or {}, ensure_ascii=False))
            return []
        text = part.get("text")
        return [TextDelta(text)] if isinstance(text, str) and text and not part.get("thought") else []


def _talks(model: Mapping[str, Any]) -> bool:
    methods = model.get("supportedGenerationMethods")
    return "name" in model and (not isinstance(methods, list) or "generateContent" in methods)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _contents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the turns without the system's; the results of one turn's calls stand together in the user's next turn."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    turns: list[dict[str, Any]] = []
    for one in messages:
        if one.role == "system":
            continue
        parts = _parts(one, names)
        if one.role == "tool" and turns and "functionResponse" in turns[-1]["parts"][-1]:
            turns[-1]["parts"] += parts
        else:
            turns.append({"role": "model" if one.role == "assistant" else "user", "parts": parts})
    return turns or [{"role": "user", "parts": [{"text": "Begin."}]}]


def _parts(message: Message, names: Mapping[str, str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        given = {"name": names.get(message.call_id, "tool"), "response": {"result": message.content}}
        return [{"functionResponse": given}]
    said = [{"text": message.content}] if message.content or not message.tool_calls else []
    return [*(_image(url) for url in message.images), *said, *(_call(call) for call in message.tool_calls)]


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = {}
    part: dict[str, Any] = {
        "functionCall": {"name": call.name, "args": given if isinstance(given, dict) else {}}
    }
    _id, _mark, signature = call.id.partition(SIGNED)
    return {**part, "thoughtSignature": signature} if signature else part


def _image(url: str) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"fileData": {"fileUri": url}}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"inlineData": {"mimeType": kind, "data": data}}
