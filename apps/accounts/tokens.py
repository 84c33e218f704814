"""Tokens of people who log in over the API: a short access JWT (RFC 7519) and a refresh token that rotates.

Both carry a mark of the password: a changed password ends them. A refresh token is used once; a second use
means that a copy is about, and ends the whole family, its access tokens included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.accounts.models import RefreshToken, User
from orchestra.ids import new_id

ISSUER = "orchestra"
ACCESS_AUDIENCE = "orchestra.access"
REFRESH_AUDIENCE = "orchestra.refresh"
ACCESS_MINUTES = 15
REFRESH_DAYS = 14
ALGORITHM = "HS256"


class BadToken(Exception):
    """The token cannot be accepted."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login returns: both tokens, and the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int = ACCESS_MINUTES * 60


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token, as `request.auth` shows it: its family, and when it ends."""

    family: UUID
    expires_at: datetime


def issue(user: User) -> TokenPair:
    """Start a new family for a person who has just logged in."""
    return _pair(user, family=new_id())


def verify_access(token: str) -> tuple[User, AccessToken]:
    """Return the active user of a valid access token, and what it says. Raises BadToken for every other."""
    claims = _read(token, ACCESS_AUDIENCE)
    user = _user(claims)
    family = _uuid(claims["fam"])
    if RefreshToken.objects.filter(family=family, revoked_at__isnull=False).exists():
        raise BadToken
    return user, AccessToken(family=family, expires_at=_moment(claims["exp"]))


def rotate(refresh: str) -> TokenPair:
    """Use a refresh token once and return a new pair of its family.

    Raises BadToken; a token that was used before ends its family first. Two callers that race with one token
    count as a copy, too: one of them is a thief as far as anybody can tell.
    """
    claims = _read(refresh, REFRESH_AUDIENCE)
    user = _user(claims)
    now = timezone.now()
    with transaction.atomic():
        mine = RefreshToken.objects.filter(pk=_uuid(claims["jti"]), user=user)
        fresh = mine.filter(used_at=None, revoked_at=None, expires_at__gt=now).update(used_at=now)
        if fresh:
            return _pair(user, family=_uuid(claims["fam"]))
    if mine.filter(used_at__isnull=False).exists():
        end_family(_uuid(claims["fam"]))
    raise BadToken


def end(refresh: str) -> None:
    """End the family of a refresh token, used or not. Raises BadToken for what is none of ours."""
    claims = _read(refresh, REFRESH_AUDIENCE)
    end_family(_uuid(claims["fam"]))


def end_family(family: UUID) -> None:
    RefreshToken.objects.filter(family=family, revoked_at=None).update(revoked_at=timezone.now())


def end_all(user: User) -> None:
    """End every family of a person: wherever they are logged in over the API, they are logged out."""
    RefreshToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def _pair(user: User, *, family: UUID) -> TokenPair:
    now = timezone.now()
    row = RefreshToken.objects.create(user=user, family=family, expires_at=now + timedelta(days=REFRESH_DAYS))
    common = {"iss": ISSUER, "sub": str(user.pk), "iat": now, "fam": str(family), "pwd": _password_mark(user)}
    access = {**common, "aud": ACCESS_AUDIENCE, "exp": now + timedelta(minutes=ACCESS_MINUTES)}
    refresh = {**common, "aud": REFRESH_AUDIENCE, "exp": row.expires_at, "jti": str(row.pk)}
    return TokenPair(access=_sign(access), refresh=_sign(refresh))


def _key() -> bytes:
    return salted_hmac("orchestra.tokens.key", ISSUER, algorithm="sha256").digest()


def _sign(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, _key(), algorithm=ALGORITHM)


def _read(token: str, audience: str) -> dict[str, Any]:
    required = ["iss", "aud", "sub", "exp", "iat", "fam", "pwd"]
    if audience == REFRESH_AUDIENCE:
        required.append("jti")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=ISSUER,
            options={"require": required},
        )
    except (jwt.InvalidTokenError, ValueError) as error:
        raise BadToken from error
    return claims


def _user(claims: dict[str, Any]) -> User:
    try:
        user = User.objects.get(pk=claims["sub"], is_active=True)
    except (User.DoesNotExist, ValidationError) as error:
        raise BadToken from error
    if not constant_time_compare(str(claims["pwd"]), _password_mark(user)):
        raise BadToken
    return user


def _password_mark(user: User) -> str:
    return salted_hmac("orchestra.tokens.password", user.password, algorithm="sha256").hexdigest()[:24]


def _uuid(raw: object) -> UUID:
    try:
        return UUID(str(raw))
    except ValueError as error:
        raise BadToken from error


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.get_default_timezone())
