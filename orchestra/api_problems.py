"""Errors on the wire: every failure under `/api/` is an RFC 9457 problem with a stable code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.core import exceptions as django_errors
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from orchestra.errors import Conflict, OrchestraError, Problem, Unavailable

MEDIA_TYPE = "application/problem+json"
API_PREFIX = "/api/"
RETRY_SECONDS = 5
"""What a caller is told to wait when a service is away and nothing better is known."""


class TooLarge(OrchestraError):
    """The request is larger than this accepts."""

    code: ClassVar[str] = "too_large"
    status: ClassVar[int] = 413


class BadRequest(OrchestraError):
    """The request cannot be understood."""

    code: ClassVar[str] = "bad_request"
    status: ClassVar[int] = 400


def problem_json(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. Returns None for errors nobody expected: Django logs them and answers 500."""
    request = context.get("request")
    error = _translated(exc)
    if isinstance(error, OrchestraError):
        return _response(request, error.status, error.code, error.default_message(), error.message,
                         problems=error.problems, headers=_retry_header(error))  # fmt: skip
    if isinstance(error, exceptions.APIException):
        return _from_framework(error, request)
    return None


def problem(
    request: HttpRequest | None,
    status: int,
    code: str,
    title: str = "",
    detail: str = "",
    *,
    problems: tuple[Problem, ...] = (),
) -> dict[str, Any]:
    """Return the members of a problem, as RFC 9457 and the OpenAPI schema `Problem` name them."""
    return {
        "type": f"urn:orchestra:problem:{code}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or title or HTTPStatus(status).phrase,
        "code": code,
        "problems": [one.as_json() for one in problems],
        "instance": request.path if request is not None else "",
        "request_id": request.META.get("HTTP_X_REQUEST_ID", "") if request is not None else "",
    }


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception or django_errors.BadRequest())
    return _plain(request, 400, "bad_request")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.permission_denied(request, exception or django_errors.PermissionDenied())
    return _plain(request, 403, "permission_denied")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception or Http404())
    return _plain(request, 404, "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return _plain(
        request, 500, "server_error", "The server failed. The request id helps its operators to find out why."
    )


def flatten(detail: Any, path: str = "") -> Iterator[Problem]:
    """Yield the leaves of DRF's nested error detail with their paths: `items[1].name`; "" is the body."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from flatten(inner, _join(path, key))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_leaf = not isinstance(inner, (Mapping, list))
            yield from flatten(inner, path if is_leaf else f"{path}[{index}]")
    else:
        yield Problem(path=path, code=str(getattr(detail, "code", "invalid")), message=str(detail))


def _join(path: str, key: Any) -> str:
    if key == "non_field_errors":
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _translated(exc: Exception) -> Exception:
    """Return the error of ours or of DRF's that says the same."""
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, django_errors.PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, django_errors.ValidationError):
        return exceptions.ValidationError(detail=list(exc.messages))
    if isinstance(exc, django_errors.RequestDataTooBig):
        return TooLarge()
    if isinstance(exc, (django_errors.SuspiciousOperation, django_errors.BadRequest, DataError)):
        return BadRequest()
    if isinstance(exc, IntegrityError):
        return Conflict("Another object has this name, or the object is still in use.")
    if isinstance(exc, (OperationalError, InterfaceError)):
        return Unavailable("The database cannot be reached.")
    return exc


def _from_framework(error: exceptions.APIException, request: Any) -> Response:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    code = str(error.default_code)
    problems: tuple[Problem, ...] = ()
    title = str(error.default_detail)
    detail = ""
    if isinstance(error, exceptions.ValidationError):
        code = "invalid"
        problems = tuple(flatten(error.detail))
    elif isinstance(error, (exceptions.MethodNotAllowed, exceptions.UnsupportedMediaType)):
        title = detail = str(error.detail)
    elif isinstance(error, exceptions.AuthenticationFailed):
        detail = str(error.detail)
    elif not isinstance(error.detail, (list, dict)):
        code = str(getattr(error.detail, "code", code))
        detail = str(error.detail)
    return _response(request, error.status_code, code, title, detail, problems=problems, headers=headers)


def _retry_header(error: OrchestraError) -> dict[str, str]:
    seconds = getattr(error, "retry_after", None)
    if seconds is None and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = RETRY_SECONDS
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


def _response(
    request: Any,
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    problems: tuple[Problem, ...],
    headers: Mapping[str, str],
) -> Response:
    body = problem(request, status, code, title, detail, problems=problems)
    return Response(body, status=status, headers=dict(headers), content_type=MEDIA_TYPE)


def _plain(request: HttpRequest, status: int, code: str, detail: str = "") -> JsonResponse:
    return JsonResponse(problem(request, status, code, detail=detail), status=status, content_type=MEDIA_TYPE)
