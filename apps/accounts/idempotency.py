"""Repeating a POST safely: with an `Idempotency-Key`, the same request gets the same answer and acts once.

The key is reserved first, in a transaction of its own, so that a second request at the same time is told to
wait. What the request does and the answer it gets are then written in one transaction: after a crash either
both are there, or neither is and the reservation can be taken over.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import IdempotencyKey
from orchestra.errors import Conflict, OrchestraError

HEADER = "Idempotency-Key"
LIFETIME = timedelta(hours=24)
ABANDONED = timedelta(seconds=60)
"""A reservation without an answer for this long belongs to a process that died."""
FIRST_ERROR = 400
KEPT_HEADERS = ("ETag", "Location")

Method = Callable[..., Response]


class SameRequestRunning(Conflict):
    """A request with this Idempotency-Key is still running; ask again in a moment."""

    code: ClassVar[str] = "idempotency_key_in_use"
    retry_after: ClassVar[float] = 1


class KeyUsedForOther(OrchestraError):
    """This Idempotency-Key was used for another request; use a new key."""

    code: ClassVar[str] = "idempotency_key_reused"
    status: ClassVar[int] = 422


def idempotent(method: Method) -> Method:
    """Decorate a view's method `(self, request, …) -> Response` that creates something.

    Answers below 400 are kept for 24 hours; errors are not, so that a corrected state can succeed. A method
    that hands out a secret marks its answer with `never_store(response)`; a repetition is then a conflict.
    """

    @functools.wraps(method)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return method(view, request, *args, **kwargs)
        if not (1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
            raise ValidationError({HEADER: ["Use 1 to 200 printable ASCII characters."]})
        fingerprint = fingerprint_of(request)
        reserved = _reserve(request.user.pk, key, fingerprint)
        if reserved.status is not None:
            return _replay(reserved)
        return _act(reserved, functools.partial(method, view, request, *args, **kwargs))

    return answer


def never_store(response: Response) -> Response:
    """Mark an answer that holds a secret: its repetition is refused, and the secret is written nowhere."""
    response.holds_secret = True  # type: ignore[attr-defined]  # read by `_act`
    return response


def fingerprint_of(request: Request) -> str:
    """Return a hash of what was asked: method, path with query, team, body."""
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"), default=str)
    parts = (request.method or "", request.get_full_path(), request.headers.get("X-Team", ""), body)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _reserve(user_id: Any, key: str, fingerprint: str) -> IdempotencyKey:
    """Return the key's row: a fresh reservation (status None) or the answered one. Raises both conflicts."""
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user_id=user_id, key=key, fingerprint=fingerprint)
    except IntegrityError:
        known = IdempotencyKey.objects.filter(user_id=user_id, key=key).first()
    if known is None:  # its owner failed and let go of it in this moment
        raise SameRequestRunning
    age = timezone.now() - known.created_at
    if age > LIFETIME or (known.status is None and age > ABANDONED):
        return _take_over(known, fingerprint)
    if known.fingerprint != fingerprint:
        raise KeyUsedForOther
    if known.status is None:
        raise SameRequestRunning
    return known


def _take_over(known: IdempotencyKey, fingerprint: str) -> IdempotencyKey:
    now = timezone.now()
    taken = IdempotencyKey.objects.filter(pk=known.pk, created_at=known.created_at).update(
        fingerprint=fingerprint, status=None, body=None, headers={}, created_at=now
    )
    if not taken:
        raise SameRequestRunning
    known.refresh_from_db()
    return known


def _act(reserved: IdempotencyKey, method: Callable[[], Response]) -> Response:
    """Run the method and keep its answer, in one transaction; let go of the key when it fails."""
    mine = IdempotencyKey.objects.filter(pk=reserved.pk, created_at=reserved.created_at, status=None)
    try:
        with transaction.atomic():
            response = method()
            if response.status_code >= FIRST_ERROR:
                mine.delete()
                return response
            if not mine.update(**_kept(response)):
                raise SameRequestRunning  # somebody took this reservation over: undo what was done here
            return response
    except BaseException:
        mine.delete()
        raise


def _kept(response: Response) -> dict[str, Any]:
    if getattr(response, "holds_secret", False):
        return {"status": 409, "body": None, "headers": {}}
    return {
        "status": response.status_code,
        "body": json.loads(JSONRenderer().render(response.data) or b"null"),
        "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
    }


def _replay(known: IdempotencyKey) -> Response:
    if known.status == Conflict.status:
        raise Conflict("This was done already; its answer held a secret, which is shown once only.")
    return Response(known.body, status=known.status, headers={**known.headers, "Idempotent-Replayed": "true"})
