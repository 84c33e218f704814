"""Who calls: `Authorization: Bearer` with an API key or an access token; every refusal is the same 401."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.accounts import keys, tokens
from apps.accounts.models import ApiKey, User

SCHEME = "Bearer"
LONGEST = 4096
"""Bytes of an `Authorization` header that are looked at; nothing of ours comes near."""


class Refused(AuthenticationFailed):
    default_detail = _("The credentials are missing, wrong or expired.")


class TokenAuthentication(BaseAuthentication):
    """DRF's authentication by bearer token. `request.auth` is the ApiKey or the AccessToken."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey | tokens.AccessToken] | None:
        header = get_authorization_header(request)
        scheme, _, credential = header.partition(b" ")
        if scheme.lower() != SCHEME.lower().encode():
            return None
        if len(header) > LONGEST or not credential.isascii():
            raise Refused
        return verify_bearer(credential.decode("ascii").strip())

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="api"'


def verify_bearer(credential: str) -> tuple[User, ApiKey | tokens.AccessToken]:
    """Return who an API key or an access token speaks for, and the key or token itself.

    The user of an API key is limited to the key's team. Raises Refused, for every reason alike.
    """
    if credential.startswith(keys.MARK):
        key = keys.find_key(credential)
        if key is None:
            raise Refused
        keys.note_use(key)
        return key.user, key
    try:
        return tokens.verify_access(credential)
    except tokens.BadToken as error:
        raise Refused from error
