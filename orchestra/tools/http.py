"""Calls one operation of an HTTP service through the guarded client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from orchestra.errors import RateLimited, ToolFailed, ToolUnavailable
from orchestra.net import HttpReply, Outbound, retry_after

TRANSIENT = frozenset({408, 425, 429})
SHOWN = 500


async def call_operation(
    http: Outbound,
    base_url: str,
    spec: Mapping[str, Any],
    arguments: Mapping[str, Any],
    *,
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - the limit is part of the request
) -> Any:
    """Send the request that an operation's arguments make, and return the answer's body: JSON or text.

    `headers` are the caller's own and win over the arguments'. Raises ToolFailed, ToolUnavailable, ToolTimeout,
    RateLimited, AddressNotAllowed.
    """
    url, query, given = _place(base_url, spec, arguments)
    lower = {name.lower() for name in headers}
    given = {name: value for name, value in given.items() if name.lower() not in lower}
    reply = await http.request(
        spec["method"],
        url,
        headers={**given, **headers},
        query=query,
        body=arguments.get("body") if spec.get("body") else None,
        timeout=timeout,
    )
    if reply.status >= 300:
        raise _failure(reply)
    return reply.body


def _place(
    base_url: str, spec: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return the URL, the query and the headers that hold an operation's arguments."""
    path, query, headers = str(spec["path"]), {}, {}
    for parameter in spec["parameters"]:
        name = parameter["name"]
        if name not in arguments:
            continue
        value = arguments[name]
        if parameter["in"] == "query":
            query[name] = value
        elif parameter["in"] == "header":
            headers[name] = _text(value)
        else:
            path = path.replace(f"{{{name}}}", _segment(name, _text(value)))
    if "{" in path:
        raise ToolFailed("A parameter of the path is missing.")
    return base_url.rstrip("/") + path, query, headers


def _segment(name: str, text: str) -> str:
    """Return a value as one segment of a path: dots alone would lead elsewhere."""
    if text in ("", ".", ".."):
        raise ToolFailed(f"{name} cannot be {text!r}.")
    return quote(text, safe="")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _failure(reply: HttpReply) -> ToolFailed | ToolUnavailable | RateLimited:
    body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body, ensure_ascii=False)
    message = f"The service answered {reply.status}: {' '.join(body.split())[:SHOWN]}"
    pause = retry_after(reply.headers)
    if reply.status == 429 and pause is not None:
        return RateLimited(message, retry_after=min(pause, 3600.0))
    if reply.status >= 500 or reply.status in TRANSIENT:
        return ToolUnavailable(message)
    return ToolFailed(message)
