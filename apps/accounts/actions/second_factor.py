"""Second factors: checked at the door of the API, and taken away by an operator from who has lost theirs."""

from __future__ import annotations

from allauth.core import ratelimit
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import HttpRequest

from apps.accounts.actions.sessions import end_sessions
from apps.accounts.models import User
from apps.accounts.sign_in import LOCK_SECONDS, TooManyAttempts
from orchestra.errors import OrchestraError


class SecondFactorNeeded(OrchestraError):
    """This account has a second factor: send a fresh code of the app, or a recovery code, as `totp`."""

    code = "second_factor_needed"
    status = 401


def has_second_factor(user: User) -> bool:
    """Say whether a password alone does not let this person in."""
    return bool(
        Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES).exists()
    )


def check_second_factor(*, request: HttpRequest, user: User, code: str) -> None:
    """Let a person with a right password go on: without a second factor at once, else with a code of it.

    A code is good for one login. Raises SecondFactorNeeded (none, or a wrong one), TooManyAttempts.
    """
    if not has_second_factor(user):
        return
    if not code.strip():
        raise SecondFactorNeeded()
    key = f"mfa-auth-user-{user.pk}"  # counted together with the login page
    if not ratelimit.consume(request, action="login_failed", key=key):
        raise TooManyAttempts(retry_after=LOCK_SECONDS)
    for factor in Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN):
        if factor.wrap().validate_code(code):
            factor.record_usage()
            ratelimit.clear(request, action="login_failed", key=key)
            return
    raise SecondFactorNeeded()


@transaction.atomic
def remove_second_factors(*, user: User) -> int:
    """Take every second factor from a person who has lost theirs, and end all their sessions; return how many."""
    count, _by_model = Authenticator.objects.filter(user=user).delete()
    end_sessions(user=user)
    return int(count)
