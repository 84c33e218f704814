"""How the Gemini API asks and answers, from the server's side; the model stands in the URL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestra.llm.client import Message, ModelRequest, ToolCall, ToolSpec
from orchestra.llm.dialects import Dialect, Reply


class GeminiDialect(Dialect):
    def asked(self, body: dict[str, Any]) -> ModelRequest:
        system = _plain((body.get("systemInstruction") or {}).get("parts") or ())
        config = body.get("generationConfig") or {}
        declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
        turns = tuple(turn for one in body["contents"] for turn in _turns(one))
        return ModelRequest(
            model=str(body["model"]),
            messages=((Message("system", system),) if system else ()) + turns,
            max_tokens=config.get("maxOutputTokens"),
            schema=config.get("responseJsonSchema"),
            tools=tuple(_tool(one) for one in declared),
        )

    def whole(self, asked: ModelRequest, answer: Reply) -> dict[str, Any]:
        parts = [{"text": answer.text}, *(_call(call) for call in answer.calls)]
        return self._value(asked, parts, answer)

    def opening(self, asked: ModelRequest, usage: tuple[int, int]) -> list[str]:
        return []

    def piece(self, asked: ModelRequest, text: str) -> list[str]:
        return [_event(self._value(asked, [{"text": text}], None))]

    def closing(self, asked: ModelRequest, answer: Reply) -> list[str]:
        return [_event(self._value(asked, [_call(call) for call in answer.calls], answer))]

    def _value(
        self, asked: ModelRequest, parts: list[dict[str, Any]], answer: Reply | None
    ) -> dict[str, Any]:
        """Return one answer of the stream; with the reply it is the last one."""
        candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
        value: dict[str, Any] = {"candidates": [candidate], "modelVersion": asked.model}
        if answer is not None:
            candidate["finishReason"] = "MAX_TOKENS" if answer.reason == "length" else "STOP"
            value["usageMetadata"] = {
                "promptTokenCount": answer.usage[0],
                "candidatesTokenCount": answer.usage[1],
                "totalTokenCount": sum(answer.usage),
            }
        return value


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _call(call: ToolCall) -> dict[str, Any]:
    return {"functionCall": {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}}


def _plain(parts: Any) -> str:
    return "\n".join(str(part["text"]) for part in parts if "text" in part)


def _turns(one: Mapping[str, Any]) -> Iterator[Message]:
    """Yield the turns of one entry; the API leaves out ids, so that a result is known by its tool's name."""
    parts = one.get("parts") or ()
    for part in parts:
        if "functionResponse" in part:
            given = part["functionResponse"]
            yield Message(
                "tool", str((given.get("response") or {}).get("result")), call_id=str(given["name"])
            )
    calls = tuple(
        ToolCall(str(given["name"]), str(given["name"]), json.dumps(given.get("args") or {}))
        for given in (part["functionCall"] for part in parts if "functionCall" in part)
    )
    text = _plain(parts)
    if text or calls:
        yield Message("assistant" if one.get("role") == "model" else "user", text, tool_calls=calls)


def _tool(declared: Mapping[str, Any]) -> ToolSpec:
    schema = declared.get("parametersJsonSchema") or declared.get("parameters") or {}
    return ToolSpec(str(declared["name"]), str(declared.get("description") or ""), schema)
