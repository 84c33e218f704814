"""Kind `http`: one request through the guarded client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestra.engine.context import Context, HttpAnswer
from orchestra.engine.filters import text_of
from orchestra.engine.nodes.base import Kind, Settings, object_schema, text_field
from orchestra.engine.outcome import Done, Outcome
from orchestra.errors import NodeFailure, Problem, RateLimited, ToolFailed, ToolUnavailable

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_RANGE = r"^([1-5][0-9]{2}(-[1-5][0-9]{2})?|[1-5]xx)$"
_TRANSIENT = frozenset({408, 425, 429})
_LONGEST_PAUSE = 3_600.0

SCHEMA = object_schema(
    {
        "url": text_field("URL", format="uri-template", minLength=1),
        "method": {"enum": list(METHODS), "title": "Method", "default": "GET"},
        "headers": {
            "type": "object",
            "title": "Headers",
            "format": "json",
            "additionalProperties": {"type": "string"},
        },
        "query": {"type": "object", "title": "Query", "format": "json"},
        "body": {
            "title": "Body",
            "description": "Lists and objects are sent as JSON, text as it is.",
            "format": "json",
        },
        "expect": {
            "type": "array",
            "title": "Expected statuses",
            "description": "Numbers, ranges (200-299) or classes (2xx).",
            "default": ["2xx"],
            "minItems": 1,
            "items": {
                "anyOf": [
                    {"type": "integer", "minimum": 100, "maximum": 599},
                    {"type": "string", "pattern": _RANGE},
                ]
            },
        },
    },
    ("url",),
)


async def run(context: Context, settings: Settings) -> Outcome:
    """Send the request; output is `{status, headers, body}`.

    Raises ToolUnavailable for an unexpected 5xx, 408, 425 or 429, RateLimited for a 429 that names a pause,
    ToolFailed for any other unexpected status, and what the client raises.
    """
    headers = {name: text_of(value) for name, value in settings.get("headers", {}).items()}
    headers["Idempotency-Key"] = context.idempotency_key
    headers["X-Attempt"] = str(context.attempt)
    answer = await context.http.request(
        settings.get("method", "GET"),
        text_of(settings["url"]),
        headers=headers,
        query=settings.get("query"),
        body=settings.get("body"),
        timeout=context.node.timeout,
    )
    if not _is_expected(answer.status, settings.get("expect", ["2xx"])):
        raise _failure(answer)
    return Done({"status": answer.status, "headers": dict(answer.headers), "body": answer.body})


def _is_expected(status: int, expect: Iterable[Any]) -> bool:
    for allowed in expect:
        low, _, high = str(allowed).replace("xx", "00").partition("-")
        last = int(high) if high else int(low) + (99 if str(allowed).endswith("xx") else 0)
        if int(low) <= status <= last:
            return True
    return False


def _failure(answer: HttpAnswer) -> NodeFailure:
    message = f"The service answered {answer.status}: {_excerpt(answer.body)}"
    pause = _pause(answer.headers)
    if answer.status == 429 and pause is not None:
        return RateLimited(message, retry_after=pause)
    if answer.status >= 500 or answer.status in _TRANSIENT:
        return ToolUnavailable(message)
    return ToolFailed(message)


def _pause(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After` header (RFC 9110, 10.2.3), where it is a number."""
    given = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return min(float(given), _LONGEST_PAUSE) if given.isascii() and given.isdigit() else None


def _excerpt(body: Any) -> str:
    text = " ".join(text_of(body).split())
    return text if len(text) <= 200 else text[:199] + "…"


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """A URL of another scheme."""
    url = settings["url"]
    if not url.lower().startswith(("http://", "https://", "{{", "{%")):
        yield Problem(f"{path}.url", "bad_value", "The URL must begin with https:// or http://.")


KIND = Kind(
    name="http",
    title="HTTP request",
    description="One HTTP request through the guarded client.",
    acts=True,
    queue="io",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"method", "expect"}),
    find_problems=find_problems,
    fields=("status", "headers", "body"),
    late=("connection",),
)
