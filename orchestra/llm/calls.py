"""Putting tool calls together from the pieces in which streams bring them."""

from __future__ import annotations

from typing import Any

from orchestra.errors import ModelUnavailable
from orchestra.llm.client import ToolCall

MAX_CALLS = 64
MAX_ARGUMENTS = 1024 * 1024
"""Characters of all arguments of one answer."""


class CallBuilder:
    """Collects calls by the key that a stream gives them; in the order in which they began."""

    def __init__(self) -> None:
        self._calls: dict[Any, dict[str, str]] = {}
        self._size = 0

    def begin(self, key: Any, call_id: str, name: str) -> None:
        """Note a call. Raises ModelUnavailable when there are too many."""
        if len(self._calls) >= MAX_CALLS:
            raise ModelUnavailable(f"The model asks for more than {MAX_CALLS} calls at once.")
        self._calls[key] = {"id": call_id, "name": name, "arguments": ""}

    def extend(self, key: Any, piece: str) -> None:
        """Add a piece of a call's arguments. Raises ModelUnavailable for too many, and for a call not begun."""
        self._size += len(piece)
        if key not in self._calls or self._size > MAX_ARGUMENTS:
            raise ModelUnavailable("The model's tool call cannot be read.")
        self._calls[key]["arguments"] += piece

    def take(self, position: int, part: Any) -> None:
        """Take one entry of a chat completion's `tool_calls`, whole or a piece. Raises ModelUnavailable.

        Some servers leave out the index, or give all whole calls the same one: a second id begins another call.
        """
        function = part.get("function") if isinstance(part, dict) else None
        if not isinstance(function, dict):
            raise ModelUnavailable("The model's tool call cannot be read.")
        key, call_id = part.get("index", position), str(part.get("id") or "")
        known = self._calls.get(key)
        if known is not None and call_id and call_id != known["id"]:
            key = call_id
        if key not in self._calls:
            self.begin(key, call_id, str(function.get("name") or ""))
        self.extend(key, str(function.get("arguments") or ""))

    def built(self) -> tuple[ToolCall, ...]:
        """Return the calls; one that came without an id gets one."""
        return tuple(
            ToolCall(call["id"] or f"call_{number}", call["name"], call["arguments"] or "{}")
            for number, call in enumerate(self._calls.values(), start=1)
        )

    def text(self) -> str:
        """Return all arguments in one text, to estimate tokens by."""
        return "".join(call["name"] + call["arguments"] for call in self._calls.values())
