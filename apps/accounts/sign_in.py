"""Passwords at the door: one check for the login page and the API, with one lock and the same answers."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import update_last_login
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.exceptions import AuthenticationFailed

from apps.accounts.models import User
from orchestra.errors import LimitReached, Unavailable

LOCK_SECONDS = 15 * 60
"""How long failures count (`login_failed` in ACCOUNT_RATE_LIMITS says how many of them lock an account)."""


class TooManyAttempts(LimitReached):
    """There were too many failed logins; try again later."""

    code = "too_many_attempts"


def check_password(request: HttpRequest, username: str, password: str) -> User:
    """Return the active person with this name (or e-mail address) and password.

    Raises AuthenticationFailed, the same for every reason; TooManyAttempts while the account or the
    address is locked, for the right password too; Unavailable while nothing can count.
    """
    try:
        if not ratelimit.consume(request, action="login"):
            raise TooManyAttempts(retry_after=60)
        user = get_adapter().authenticate(request, **credentials(username, password))
    except ValidationError as error:
        raise TooManyAttempts(retry_after=LOCK_SECONDS) from error
    except (RedisError, OSError) as error:
        raise Unavailable("Failed logins cannot be counted at the moment, so nobody gets in.") from error
    if not isinstance(user, User) or not user.is_active or must_confirm(user):
        raise AuthenticationFailed()
    update_last_login(User, user)
    return user


def must_confirm(user: User) -> bool:
    """Say whether a stranger who signed up by themselves still has to confirm their address.

    Whoever has been in before, or was made by an operator (and so has no record of addresses), need not.
    """
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory" or user.last_login is not None:
        return False
    addresses = EmailAddress.objects.filter(user=user)
    return addresses.exists() and not addresses.filter(verified=True).exists()


def credentials(name: str, password: str) -> dict[str, str]:
    """Return what Django's authentication gets; the name may be a user name or an e-mail address."""
    return {"username": name.strip(), "password": password}


def single(given: dict[str, Any]) -> dict[str, Any]:
    """Drop an e-mail address that is given twice, as the user name too.

    Otherwise the backend hashes the password twice for addresses that have an account, and the time tells.
    """
    if "email" in given and given.get("username") == given["email"]:
        return {key: value for key, value in given.items() if key != "email"}
    return given


def lock_key(name: str) -> str:
    """Return what failed logins are counted by: the account, whichever of its names is used.

    A name without an account is counted by itself, so that the lock does not tell which names exist.
    """
    name = name.strip().lower()
    owner = get_user_model().objects.filter(Q(username__iexact=name) | Q(email__iexact=name)).first()
    return f"account:{owner.pk}" if owner is not None else f"name:{name}"
