"""Browser sessions: ended one by one, all others, or all."""

from __future__ import annotations

from allauth.usersessions.models import UserSession

from apps.accounts import tokens
from apps.accounts.models import User


def end_session(session: UserSession) -> None:
    """End one session at once: its cookie is worth nothing from now on."""
    session.end()


def end_other_sessions(*, user: User, current: str | None) -> int:
    """End every session but the one with this key, and every API login; return how many sessions ended."""
    others = UserSession.objects.filter(user=user)
    if current:
        others = others.exclude(session_key=current)
    ended = list(others)
    for session in ended:
        session.end()
    tokens.end_all(user)
    return len(ended)


def end_sessions(*, user: User) -> int:
    """End every session and every API login of a person."""
    return end_other_sessions(user=user, current=None)
