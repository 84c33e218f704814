"""What providers' refusals mean: from statuses, bodies and broken connections to the error tree."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from orchestra.errors import (
    BadCredentials,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    NodeFailure,
    RateLimited,
    ToolFailed,
    ToolTimeout,
    ToolUnavailable,
)
from orchestra.net import retry_after

MAX_MESSAGE = 500
KEYS = re.compile(
    r"\b(?:sk|pk|rk|key|api|xai|gsk|AIza)[-_][A-Za-z0-9_\-*.]{6,}|AIza[\w-]{20,}|(?<=Bearer )\S+"
)
BAD_KEY = re.compile(r"API[ _]key[ _](?:not[ _]valid|invalid|expired)", re.IGNORECASE)
"""What some providers say with status 400 of a key that they refuse."""
SPENT = re.compile(r"insufficient_quota|credit balance|billing", re.IGNORECASE)


class NotServed(ModelRefused):
    """The provider does not serve this model here, or not any more to this key; another target may."""


def error_for(status: int, headers: Mapping[str, str], body: str, *, secret: str = "") -> NodeFailure:
    """Return the error that an answer with this status means; its message quotes the provider, keys redacted.

    Shapes: 401 and 403 BadCredentials; 429 RateLimited, or NotServed when the money is spent; 408 and 504
    ModelTimeout; 404 NotServed; other 4xx and 3xx ModelRefused; everything else ModelUnavailable.
    """
    said = redact(provider_message(body), secret)
    told = f"The provider answers {status}" + (f": {said}" if said else ".")
    if status in (401, 403) or (status == 400 and BAD_KEY.search(body)):
        return BadCredentials(told)
    if status == 429:
        return NotServed(told) if SPENT.search(body) else RateLimited(told, retry_after=retry_after(headers))
    if status in (408, 504):
        return ModelTimeout(told)
    if status == 404:
        return NotServed(told)
    if 300 <= status < 400:
        return ModelRefused(f"The provider answers {status}, a redirect: enter the final base URL.")
    return ModelRefused(told) if 400 <= status < 500 and status not in (409, 425) else ModelUnavailable(told)


def provider_message(body: str) -> str:
    """Return what an error body says: the message of the usual JSON shapes, nothing of an HTML page."""
    text = body.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text[:1] == "<" else text
    return message_in(value)


def message_in(value: Any) -> str:
    """Return the message of a parsed error, `{error: {message}}` or one of its relatives."""
    while isinstance(value, dict):
        value = next((value[key] for key in ("error", "message", "detail", "errors") if value.get(key)), None)
    if isinstance(value, list):
        return "; ".join(filter(None, (message_in(item) for item in value[:3])))
    return value if isinstance(value, str) else ""


def redact(text: str, secret: str = "") -> str:
    """Return one line of at most MAX_MESSAGE characters without the secret or what looks like a key."""
    if len(secret) >= 4:
        text = text.replace(secret, "…")
    line = " ".join(KEYS.sub("…", text).split())
    return line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]}…"


@asynccontextmanager
async def as_model_errors() -> AsyncIterator[None]:
    """Turn what the outbound client raises into what a model client promises."""
    try:
        yield
    except ToolTimeout as error:
        raise ModelTimeout(error.message) from error
    except (ToolUnavailable, ToolFailed) as error:
        raise ModelUnavailable(error.message) from error
