"""What a handler is given, and how it says that it cannot do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
TEXT_CHARACTERS = 32 * 1024


class Failed(Exception):
    """The assignment cannot be done. `is_transient`: it may succeed another time."""

    def __init__(self, message: str, *, is_transient: bool = False) -> None:
        super().__init__(message)
        self.is_transient = is_transient


class Refused(Exception):
    """This agent does not want the assignment; others get it first."""


@dataclass
class Assignment:
    """One assignment: `payload` has `task` and, where the node gives them, `system`, `schema`, `tools` and limits.

    It may come a second time (after a lost connection, say): `idempotency_key` is then the same. What is put into
    `usage` (`input_tokens`, `output_tokens`, `cost`, `model`) is charged to the run.
    """

    id: str
    fence: int
    run: str
    path: str
    attempt: int
    timeout: float | None
    idempotency_key: str
    payload: Mapping[str, Any]
    send: Send = field(repr=False)
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        return str(self.payload.get("task", ""))

    async def say(self, text: str) -> None:
        """Stream a piece of text to whoever watches the run."""
        for start in range(0, len(text), TEXT_CHARACTERS):
            await self._tell(type="text", text=text[start : start + TEXT_CHARACTERS])

    async def progress(self, share: float | None = None, note: str = "") -> None:
        """Say how far this is: a share from 0 to 1, a few words."""
        await self._tell(type="progress", share=share, note=note)

    async def _tell(self, **message: Any) -> None:
        await self.send({**message, "id": self.id, "fence": self.fence})


def read_assignment(message: Mapping[str, Any], send: Send) -> Assignment:
    """Return the assignment of a message."""
    return Assignment(
        id=str(message["id"]),
        fence=int(message["fence"]),
        run=str(message["run"]),
        path=str(message["path"]),
        attempt=int(message["attempt"]),
        timeout=message.get("timeout"),
        idempotency_key=str(message["idempotency_key"]),
        payload=message["payload"],
        send=send,
    )
