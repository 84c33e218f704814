"""The base of views over lists, the parameters that many views share, and what every schema entry gets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestra.api_pages import CursorPages

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what is changed: 412 when somebody changed it since.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Up to 200 characters: the same key with the same body gets the same answer for 24 hours.",
)
TEAM = OpenApiParameter(
    "team",
    str,
    OpenApiParameter.QUERY,
    description="Short name of the team; also as the header `X-Team`. Default: the first one you joined.",
)


PAGE_PARAMETERS = ("cursor", "limit", "team")


class PagedView(APIView):
    """A view whose GET answers with a page of rows."""

    pagination_class = CursorPages
    is_ascending = False
    filters: Collection[str] | None = None
    """The query parameters that narrow the list; others are then 400 instead of being ignored."""

    def page(
        self, queryset: QuerySet[Any, Any], serializer: Callable[..., serializers.BaseSerializer[Any]]
    ) -> Response:
        """Return the page of the queryset that the request asks for, by primary key. Raises ValidationError."""
        if self.filters is not None:
            _refuse_others(self.request.query_params, {*self.filters, *PAGE_PARAMETERS})
        pages = self.pagination_class()
        rows = pages.paginate_queryset(queryset, self.request, self)
        return pages.get_paginated_response(serializer(rows, many=True).data)


def _refuse_others(given: Iterable[str], known: Collection[str]) -> None:
    words = f"There is no such parameter. There are: {', '.join(sorted(known))}."
    unknown = {
        name[:120]: [ErrorDetail(words, code="unknown_parameter")] for name in given if name not in known
    }
    if unknown:
        raise serializers.ValidationError(unknown)


def checked(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the validated data. Raises ValidationError, which becomes a 400 with every problem."""
    given = serializer(data=data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


class YAMLRenderer(BaseRenderer):
    """Text that is YAML already; a problem is JSON here as everywhere."""

    media_type = "application/yaml"
    format = "yaml"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        return data if isinstance(data, str) else JSONRenderer().render(data)


def complete_document(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Post-process the OpenAPI document: each operation gets a summary and may answer with a problem."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in PROBLEM_SCHEMAS.items():
        schemas.setdefault(name, schema)
    answer = {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result.get("paths", {}).values():
        for operation in path.values():
            operation.setdefault("responses", {}).setdefault("default", answer)
            first_sentence = operation.get("description", "").partition(".")[0]
            operation.setdefault("summary", " ".join(first_sentence.split()))
    return result


_STRING = {"type": "string"}
PROBLEM_SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "An RFC 9457 problem; `code` is stable, `problems` lists all that is wrong at once.",
        "required": ["type", "title", "status", "detail", "code", "problems", "instance", "request_id"],
        "properties": {
            **dict.fromkeys(("type", "title", "detail", "code", "instance", "request_id"), _STRING),
            "status": {"type": "integer"},
            "problems": {"type": "array", "items": {"$ref": "#/components/schemas/ProblemEntry"}},
        },
    },
    "ProblemEntry": {
        "type": "object",
        "required": ["path", "code", "message"],
        "properties": {"path": _STRING, "code": _STRING, "message": _STRING, "line": {"type": "integer"}},
    },
}
