"""What can go wrong: the server says no, or cannot be reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any

from orchestra_client.shapes import Problem


class ConnectionFailed(Exception):
    """The server cannot be reached, or broke off; every retry has been made."""


class ApiError(Exception):
    """The server's answer to a request that it refuses: RFC 9457 problem details.

    `code` is stable, `problems` lists all that is wrong at once, `retry_after` are seconds.
    """

    def __init__(self, status: int, headers: Mapping[str, str] | Message, body: bytes) -> None:
        said = _problem_of(body)
        self.status = status
        self.code = str(said.get("code", ""))
        self.detail = str(said.get("detail", "")) or body[:200].decode(errors="replace")
        self.problems = tuple(
            Problem(str(one.get("path", "")), str(one.get("code", "")), str(one.get("message", "")))
            for one in said.get("problems") or ()
        )
        self.request_id = str(said.get("request_id", ""))
        self.retry_after = _seconds(headers.get("Retry-After") or "")
        listed = "; ".join(f"{one.path}: {one.message}" for one in self.problems)
        super().__init__(" ".join(filter(None, (f"{status} {self.code}: {self.detail}", listed))))


def _problem_of(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(text: str) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
