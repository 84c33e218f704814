"""What allauth asks of this product: who may sign up, how failed logins count, what new people get."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.stages import EmailVerificationStage
from django.conf import settings
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from apps.accounts import actions, sign_in
from apps.accounts.models import User

INVITATION = "invitation"
"""Key of the session under which a stranger's invitation waits for the sign-up."""
IS_INVITED = "_is_invited"
"""Mark on a user object, for the length of the sign-up."""


class ConfirmedAddressStage(EmailVerificationStage):  # type: ignore[misc]  # allauth is untyped
    """Asks strangers who signed up by themselves to confirm their address before their first login.

    Invited people, and those whom an operator made, are known already. Without this, an open installation
    would tell whose address has an account, and let people sign up with the addresses of others.
    """

    def handle(self) -> tuple[HttpResponse | None, bool]:
        person = self.login.user
        if isinstance(person, User) and (IS_INVITED in person.__dict__ or not sign_in.must_confirm(person)):
            return None, True
        answer: tuple[HttpResponse | None, bool] = super().handle()
        return answer


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """allauth's adapter: signing up needs an invitation, unless the installation is open."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.ORCHESTRA_OPEN_SIGNUP or actions.find_invitation(invitation_of(request)) is not None

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        """Save a new person and give them a team: the inviting one, or one of their own."""
        if not commit:
            super().save_user(request, user, form, commit=False)
            return user
        with transaction.atomic():
            user.language = get_language() or ""
            super().save_user(request, user, form)
            token = request.session.pop(INVITATION, "")
            if actions.find_invitation(token) is not None or not settings.ORCHESTRA_OPEN_SIGNUP:
                actions.accept_invitation(token=token, by=user)
                user.__dict__[IS_INVITED] = True
            else:
                actions.create_team(name=_("Team of %(name)s") % {"name": user.name}, by=user)
        return user

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user: User | None = super().authenticate(request, **sign_in.single(credentials))
        return user

    def get_login_stages(self) -> list[str]:
        stage = f"{ConfirmedAddressStage.__module__}.{ConfirmedAddressStage.__name__}"
        return [
            stage if name.endswith(".EmailVerificationStage") else name for name in super().get_login_stages()
        ]

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failures per account: allauth counts per name and host header, which a guesser can vary."""
        return sign_in.lock_key(credentials.get("email") or credentials.get("username") or "")


def invitation_of(request: HttpRequest) -> str:
    """Return the token of the invitation that waits in the session, or ""."""
    return request.session.get(INVITATION, "") if hasattr(request, "session") else ""
