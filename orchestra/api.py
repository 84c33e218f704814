"""What every API module builds on: problems, parsing, pages, limits, entity tags. It knows no app.

The parts stand in `api_problems`, `api_parsing`, `api_pages`, `api_limits`, `api_views`; import from here.
"""

from __future__ import annotations

from typing import Any, Protocol

from rest_framework.request import Request
from rest_framework.response import Response

from orchestra.api_limits import RateThrottle, request_headers
from orchestra.api_pages import CursorPages, limit_of
from orchestra.api_parsing import StrictJSONParser, StrictSerializer, YAMLTextParser, parse_json
from orchestra.api_problems import (
    BadRequest,
    TooLarge,
    bad_request,
    forbidden,
    not_found,
    problem,
    problem_json,
    server_error,
)
from orchestra.api_views import IDEMPOTENCY_KEY, IF_MATCH, TEAM, PagedView, YAMLRenderer, checked
from orchestra.errors import StaleRevision

__all__ = [
    "IDEMPOTENCY_KEY",
    "IF_MATCH",
    "TEAM",
    "BadRequest",
    "CursorPages",
    "PagedView",
    "RateThrottle",
    "StrictJSONParser",
    "StrictSerializer",
    "TooLarge",
    "YAMLRenderer",
    "YAMLTextParser",
    "bad_request",
    "checked",
    "etag",
    "expected_revision",
    "forbidden",
    "limit_of",
    "not_found",
    "parse_json",
    "problem",
    "problem_json",
    "request_headers",
    "server_error",
    "tagged",
]


class Revised(Protocol):
    """A row that counts its changes."""

    revision: int


def etag(row: Revised) -> str:
    """Return the strong entity tag of a row's revision."""
    return f'"{row.revision}"'


def created(request: Request, row: Revised, data: Any, place: str) -> Response:
    """Return the answer to a POST that made `row`: 201 with its `ETag`, and where it is found."""
    response = tagged(request, row, data, status=201)
    response.headers["Location"] = place
    return response


def expected_revision(request: Request, row: Revised) -> int | None:
    """Return the revision that a change must still find, or None when the caller does not ask.

    Pass it on to the action, which compares again inside its transaction. Raises StaleRevision when
    `If-Match` names another revision than the row's.
    """
    header = request.headers.get("If-Match", "").strip()
    if not header or header == "*":
        return None
    if etag(row) not in {part.strip() for part in header.split(",")}:
        raise StaleRevision()
    return row.revision


def tagged(request: Request, row: Revised, data: Any, status: int = 200) -> Response:
    """Return `data` with the row's `ETag`; 304 when the caller says it already has it."""
    tag = etag(row)
    if request.method in {"GET", "HEAD"}:
        known = {
            part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")
        }
        if tag in known:
            return Response(status=304, headers={"ETag": tag})
    return Response(data, status=status, headers={"ETag": tag})
