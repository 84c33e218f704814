"""People: what they may change about themselves, and the first operator of an installation."""

from __future__ import annotations

import json
import secrets
import zoneinfo
from collections.abc import Mapping
from datetime import timedelta
from typing import IO, Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.actions.teams import create_team
from apps.accounts.avatars import reencode
from apps.accounts.models import IdempotencyKey, LoginLink, RefreshToken, Theme, User
from orchestra.errors import InvalidInput, Problem

PROFILE_FIELDS = ("display_name", "email", "language", "time_zone", "theme")
MAX_PREFERENCES = 8 * 1024
"""Characters of JSON that a person's preferences may take."""


@transaction.atomic
def update_profile(*, user: User, **changes: str) -> User:
    """Change some of `PROFILE_FIELDS`. Raises InvalidInput with a problem for each value that does not do."""
    unknown = set(changes) - set(PROFILE_FIELDS)
    if unknown:
        raise TypeError(f"update_profile() does not change {', '.join(sorted(unknown))}")
    changes = {name: value.strip() for name, value in changes.items()}
    problems = [problem for name, value in changes.items() for problem in _problems(user, name, value)]
    if problems:
        raise InvalidInput(problems=problems)
    is_new_address = changes.get("email", user.email).lower() != user.email.lower()
    for name, value in changes.items():
        setattr(user, name, value)
    user.save(update_fields=list(changes))
    if is_new_address:
        _forget_addresses(user)
    return user


@transaction.atomic
def set_preferences(*, user: User, changes: Mapping[str, Any]) -> User:
    """Merge into a person's preferences (RFC 7396, first level): None removes a key. At most 8 KB in all."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    merged = {**locked.preferences, **changes}
    merged = {key: value for key, value in merged.items() if value is not None}
    if len(json.dumps(merged)) > MAX_PREFERENCES:
        message = _("Preferences may take at most 8 KB.")
        raise InvalidInput(message, problems=[Problem(path="", code="too_large", message=message)])
    user.preferences = merged
    user.save(update_fields=["preferences"])
    return user


def set_avatar(*, user: User, upload: IO[bytes]) -> User:
    """Replace a person's picture. Raises InvalidInput for what is no harmless picture (see `avatars`)."""
    picture = reencode(upload)
    old = user.avatar.name
    user.avatar.save(f"{user.pk}-{secrets.token_hex(8)}.webp", picture, save=False)
    user.save(update_fields=["avatar"])
    _delete_file(user, old)
    return user


def remove_avatar(*, user: User) -> User:
    """Take a person's picture away, the file included."""
    old = user.avatar.name
    user.avatar = ""
    user.save(update_fields=["avatar"])
    _delete_file(user, old)
    return user


@transaction.atomic
def ensure_operator(*, team_name: str = "") -> User:
    """Return the first active superuser, made when there is none: without a password, for a login link.

    With `team_name`, an operator who is in no team becomes the owner of a team with that name.
    """
    operator = User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined").first()
    if operator is None:
        operator = User(username=_free_username("operator"), is_staff=True, is_superuser=True)
        operator.set_unusable_password()
        operator.save()
    if team_name and not operator.memberships.exists():
        create_team(name=team_name, by=operator)
    return operator


def purge_expired(*, keep: timedelta = timedelta(days=1)) -> int:
    """Delete tokens, links and idempotency keys that ended at least `keep` ago; return how many rows went."""
    before = timezone.now() - keep
    gone = 0
    for rows in (
        RefreshToken.objects.filter(expires_at__lt=before),
        LoginLink.objects.filter(expires_at__lt=before),
        IdempotencyKey.objects.filter(created_at__lt=before - timedelta(days=1)),
    ):
        gone += rows.delete()[0]
    return gone


def _problems(user: User, name: str, value: str) -> list[Problem]:
    """Return what is wrong with one value of a profile."""
    allowed: Mapping[str, tuple[bool, str, str]] = {
        "display_name": (len(value) <= 80, "too_long", _("Use at most 80 characters.")),
        "language": (value in dict(settings.LANGUAGES), "unknown", _("This language is not offered.")),
        "time_zone": (value in zoneinfo.available_timezones(), "unknown", _("This is no time zone's name.")),
        "theme": (value in Theme.values, "unknown", _("This theme is not offered.")),
    }
    if name == "email":
        return _address_problems(user, value)
    is_good, code, message = allowed[name]
    return [] if is_good else [Problem(path=name, code=code, message=message)]


def _address_problems(user: User, address: str) -> list[Problem]:
    if address == user.email:  # an operator may have none
        return []
    try:
        validate_email(address)
    except ValidationError:
        return [Problem(path="email", code="invalid", message=_("This is no e-mail address."))]
    others = User.objects.exclude(pk=user.pk).filter(email__iexact=address).exists()
    claimed = EmailAddress.objects.exclude(user=user).filter(email__iexact=address, verified=True).exists()
    if others or claimed:
        return [Problem(path="email", code="taken", message=_("This address belongs to another account."))]
    return []


def _forget_addresses(user: User) -> None:
    """Take allauth's records of former addresses away: they would go on working for logins and resets."""
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)


def _free_username(wanted: str) -> str:
    """Return a user name nobody has: a stranger who took `operator` must not become one."""
    name = wanted
    while User.objects.filter(username__iexact=name).exists():
        name = f"{wanted}-{secrets.token_hex(3)}"
    return name


def _delete_file(user: User, name: str | None) -> None:
    if name:
        user.avatar.storage.delete(name)
