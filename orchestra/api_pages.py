"""Lists in pages: `{results, next, previous}`, by id, with a cursor that stays right while rows are added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:  # DRF's views read the settings, which name this module
    from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR = 200
HEAVY = 4 * 1024 * 1024
"""Bytes after which a page of a view that weighs its rows ends."""


class CursorPages(BasePagination):
    """Pages by primary key, newest first unless the view says `is_ascending`; one query, never a count."""

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self._url = request.build_absolute_uri()
        limit = limit_of(request)
        is_ascending = bool(getattr(view, "is_ascending", False))
        direction, position = self._cursor(request, queryset)
        is_forward = direction != "<"
        rises = is_ascending == is_forward
        if position is not None:
            queryset = queryset.filter(**{"pk__gt" if rises else "pk__lt": position})
        rows, has_more = _take(
            queryset.order_by("pk" if rises else "-pk"), limit, getattr(view, "weigh", None)
        )
        rows = rows if is_forward else rows[::-1]
        self._next = rows[-1].pk if rows and (has_more if is_forward else True) else None
        self._previous = rows[0].pk if rows and (position is not None if is_forward else has_more) else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "results": data,
                "next": self._link(">", self._next),
                "previous": self._link("<", self._previous),
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [LIMIT_PARAMETER, CURSOR_PARAMETER]

    def _link(self, direction: str, position: Any) -> str | None:
        if position is None:
            return None
        return replace_query_param(self._url, "cursor", encode_cursor(f"{direction}{position}"))

    def _cursor(self, request: Request, queryset: QuerySet[Any]) -> tuple[str, Any]:
        raw = request.query_params.get("cursor", "")
        if not raw:
            return ">", None
        text = decode_cursor(raw)
        if text[:1] not in {"<", ">"}:
            raise bad_cursor()
        try:
            return text[0], queryset.model._meta.pk.to_python(text[1:])
        except (DjangoValidationError, ValueError) as error:
            raise bad_cursor() from error


def _take(queryset: Any, limit: int, weigh: Callable[[Any], int] | None) -> tuple[list[Any], bool]:
    """Return at most `limit` rows, fewer when they are heavy, and whether there are more."""
    if weigh is None:
        rows = list(queryset[: limit + 1])
        return rows[:limit], len(rows) > limit
    rows, weight = [], 0
    for row in queryset[: limit + 1].iterator(chunk_size=10):
        if len(rows) == limit or (rows and weight > HEAVY):
            return rows, True
        rows.append(row)
        weight += weigh(row)
    return rows, False


LIMIT_PARAMETER = {
    "name": "limit",
    "in": "query",
    "required": False,
    "description": f"How many to return; {DEFAULT_LIMIT} when not given, {MAX_LIMIT} at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
}
CURSOR_PARAMETER = {
    "name": "cursor",
    "in": "query",
    "required": False,
    "description": "Where to go on; taken from `next` or `previous`.",
    "schema": {"type": "string"},
}


def limit_of(request: Request) -> int:
    """Return the page size that was asked for, at most `MAX_LIMIT`. Raises ValidationError."""
    raw = request.query_params.get("limit", "")
    if not raw:
        return DEFAULT_LIMIT
    if not (raw.isascii() and raw.isdecimal()) or int(raw[:20]) < 1:
        raise ValidationError({"limit": ["Use a whole number from 1 to 200."]}, code="invalid")
    return min(int(raw[:20]), MAX_LIMIT)


def encode_cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(raw: str) -> str:
    """Return the text of a cursor. Raises ValidationError for what is none of ours."""
    if len(raw) > MAX_CURSOR:
        raise bad_cursor()
    try:
        return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise bad_cursor() from error


def bad_cursor() -> ValidationError:
    return ValidationError(
        {"cursor": ["This is not a cursor of this list; take it from `next` or `previous`."]}
    )
