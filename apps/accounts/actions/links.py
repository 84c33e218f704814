"""One-time links that log their holder in, for first starts and for people who cannot get a mail."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from apps.accounts.keys import digest
from apps.accounts.models import LoginLink, User


def make_login_link(*, user: User, minutes: int = 15) -> str:
    """Return the path of a link (`/login/<token>/`) that logs the person in once within so many minutes."""
    token = secrets.token_urlsafe(32)
    ends = timezone.now() + timedelta(minutes=minutes)
    LoginLink.objects.create(user=user, token_hash=digest(token), expires_at=ends)
    return reverse("login_link", args=[token])


def use_login_link(token: str) -> User | None:
    """Use a link up and return its active person; None when it is unknown, used, or too old."""
    now = timezone.now()
    links = LoginLink.objects.filter(token_hash=digest(token))
    if not links.filter(used_at=None, expires_at__gt=now, user__is_active=True).update(used_at=now):
        return None
    return links.select_related("user").get().user


def can_use_login_link(token: str) -> bool:
    """Say whether a link would work, without using it up: mail programs and chats look at links."""
    live = LoginLink.objects.filter(used_at=None, expires_at__gt=timezone.now(), user__is_active=True)
    return live.filter(token_hash=digest(token)).exists()
