"""The responses dialect: OpenAI's newer API, streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from orchestra.errors import ModelRefused, ModelUnavailable
from orchestra.llm.calls import CallBuilder
from orchestra.llm.client import Chunk, Finish, Message, ModelRequest, TextDelta
from orchestra.llm.openai import is_strict
from orchestra.llm.provider import UNSUPPORTED, ProviderClient, StreamReader, cut, reported
from orchestra.llm.sse import ServerEvent
from orchestra.llm.structured import with_instructions


class ResponsesClient(ProviderClient):
    """Responses at `<base URL>/responses`; the base URL ends in `/v1`. Nothing is stored at the provider.

    Own option: `body` (extra fields of the request's body, such as `reasoning`).
    """

    path: ClassVar[str] = "/responses"
    droppable: ClassVar[Mapping[str, str]] = {
        "schema": r"json_schema|text\.format",
        "temperature": UNSUPPORTED.format("temperature"),
    }

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"} if self._secret else {}

    def payload(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        in_words = "schema" in without
        messages = request.messages
        if request.schema is not None and in_words:
            messages = with_instructions(messages, request.schema)
        extra = self._options.get("body")
        body: dict[str, Any] = dict(extra) if isinstance(extra, Mapping) else {}
        body |= {"model": request.model, "input": _items(messages), "stream": True, "store": False}
        instructions = "\n\n".join(one.content for one in messages if one.role == "system")
        if instructions:
            body["instructions"] = instructions
        if request.temperature is not None and "temperature" not in without:
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            body["max_output_tokens"] = request.max_tokens
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": spec.name,
                    "description": spec.description,
                    "parameters": spec.schema,
                    "strict": False,
                }
                for spec in request.tools
            ]
        if request.schema is not None and not in_words:
            form = {"type": "json_schema", "name": "answer", "schema": request.schema}
            body["text"] = {"format": {**form, "strict": is_strict(request.schema)}}
        return body

    def reader(self, request: ModelRequest) -> StreamReader:
        return _Reader(self._secret)


class _Reader(StreamReader):
    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._calls = CallBuilder()
        self._response: Mapping[str, Any] = {}

    def take(self, event: ServerEvent, value: dict[str, Any]) -> list[Chunk]:
        kind = value.get("type")
        if kind == "response.output_text.delta":
            return [TextDelta(str(value["delta"]))] if value.get("delta") else []
        if kind == "response.output_item.added":
            self._item(value.get("output_index"), value.get("item"))
        elif kind == "response.function_call_arguments.delta":
            self._calls.extend(value.get("output_index"), str(value.get("delta") or ""))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end(value.get("response"))
        elif kind == "error":
            raise reported({"error": value}, self._secret)
        return []

    def read_whole(self, value: dict[str, Any]) -> list[Chunk]:
        output = value.get("output")
        if not isinstance(output, list):
            raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
        texts: list[Chunk] = []
        for index, item in enumerate(one for one in output if isinstance(one, Mapping)):
            self._item(index, item)
            texts += [TextDelta(text) for text in _texts_in(item)]
        self._end(value)
        return texts

    def finish(self) -> Chunk:
        if not self.is_complete:
            raise cut()
        usage = self._response.get("usage")
        usage = usage if isinstance(usage, Mapping) else {}
        return Finish(
            reason="length" if _was_cut(self._response) else "stop",
            input_tokens=_number(usage.get("input_tokens")),
            output_tokens=_number(usage.get("output_tokens")),
            model=str(self._response.get("model") or ""),
            tool_calls=self._calls.built(),
        )

    def _item(self, index: Any, item: Any) -> None:
        """Note the beginning of a call; in a whole answer, or from some servers, its arguments are there already."""
        if isinstance(item, Mapping) and item.get("type") == "function_call":
            self._calls.begin(index, str(item.get("call_id") or ""), str(item.get("name") or ""))
            self._calls.extend(index, str(item.get("arguments") or ""))

    def _end(self, response: Any) -> None:
        if not isinstance(response, Mapping):
            raise ModelUnavailable("The provider answers with JSON of an unknown shape.")
        if response.get("error"):
            raise reported(response, self._secret)
        if response.get("status") == "incomplete" and not _was_cut(response):
            raise ModelRefused("The provider has stopped the answer: its content filter objects.")
        self._response, self.is_complete = response, True


def _was_cut(response: Mapping[str, Any]) -> bool:
    details = response.get("incomplete_details")
    return isinstance(details, Mapping) and details.get("reason") == "max_output_tokens"


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _texts_in(item: Mapping[str, Any]) -> list[str]:
    """Return the texts of a whole message. Raises ModelRefused when the model declines."""
    parts = [part for part in item.get("content") or () if isinstance(part, Mapping)]
    for part in parts:
        if part.get("type") == "refusal":
            raise ModelRefused(f"The model declines: {str(part.get('refusal'))[:300]}")
    return [str(part["text"]) for part in parts if part.get("type") == "output_text" and part.get("text")]


def _items(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the turns without the system's; a turn's calls and their results are items of their own."""
    items: list[dict[str, Any]] = []
    for one in messages:
        if one.role == "tool":
            items.append({"type": "function_call_output", "call_id": one.call_id, "output": one.content})
            continue
        if one.role == "system":
            continue
        if one.content or one.images or not one.tool_calls:
            items.append({"role": one.role, "content": _content(one)})
        items += [
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
            for call in one.tool_calls
        ]
    return items


def _content(message: Message) -> list[dict[str, Any]]:
    kind = "output_text" if message.role == "assistant" else "input_text"
    images = [{"type": "input_image", "image_url": url} for url in message.images]
    return [{"type": kind, "text": message.content}, *images]
