"""Answers that are given again: what makes requests the same, and answers as JSON and back. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestra.llm.client import Chunk, Finish, ModelRequest, TextDelta, ToolCall

KEPT = frozenset({"stop", "tool_calls"})
"""Reasons to end of answers that are whole."""
MAX_TEXT = 256 * 1024
IGNORED = ("timeout", "idle", "attempt", "idempotency_key")


def fingerprint(place: str, request: ModelRequest) -> str:
    """Return the key of a request at a place: the same model, messages, options, schema and tools give the same."""
    asked = {key: value for key, value in asdict(request).items() if key not in IGNORED}
    text = json.dumps([place, asked], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def answer_as_json(texts: Sequence[str], finish: Finish) -> dict[str, Any] | None:
    """Return an answer for the store; None for one that is cut, or too long."""
    text = "".join(texts)
    if finish.reason not in KEPT or len(text) > MAX_TEXT:
        return None
    calls = [[call.id, call.name, call.arguments] for call in finish.tool_calls]
    return {"text": text, "reason": finish.reason, "model": finish.model, "calls": calls}


def chunks_of(answer: Mapping[str, Any]) -> Iterator[Chunk]:
    """Yield a stored answer; it has taken no tokens."""
    if answer["text"]:
        yield TextDelta(str(answer["text"]))
    calls = tuple(ToolCall(*call) for call in answer["calls"])
    yield Finish(str(answer["reason"]), 0, 0, str(answer["model"]), calls)
