"""Keys of remote agents: a registration token lets a program in, the key that it gets speaks for one agent.

Both are `<mark>_<prefix>_<secret>`, found by the prefix and known only by a hash of the secret.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.keys import digest
from apps.agents.models import Agent, AgentToken, Presence

TOKEN = "ort"  # noqa: S105  (the mark that tokens begin with, no secret)
KEY = "ora"
SHAPE = re.compile(r"(ort|ora)_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret as it is shown once, and the two parts of it that are stored."""

    text: str
    prefix: str
    key_hash: str


def new_secret(mark: str) -> NewSecret:
    """Make a secret with 256 random bits."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewSecret(f"{mark}_{prefix}_{secret}", prefix, digest(secret))


def find_token(text: str) -> AgentToken | None:
    """Return the registration token with this text if it is neither revoked nor expired."""
    parts = _parts(text, TOKEN)
    token = AgentToken.objects.select_related("team").filter(prefix=parts[0]).first() if parts else None
    if token is None or not constant_time_compare(token.key_hash, digest(parts[1])):
        return None
    is_expired = token.expires_at is not None and token.expires_at <= timezone.now()
    return None if is_expired or token.revoked_at is not None else token


def find_agent(text: str) -> Agent | None:
    """Return the enabled remote agent that a key speaks for."""
    parts = _parts(text, KEY)
    found = Presence.objects.select_related("agent__team").filter(prefix=parts[0]).first() if parts else None
    if found is None or not constant_time_compare(found.key_hash, digest(parts[1])):
        return None
    agent: Agent = found.agent
    agent.presence = found
    return agent if agent.is_enabled else None


def _parts(text: str, mark: str) -> tuple[str, str]:
    shape = SHAPE.fullmatch(text)
    return (shape[2], shape[3]) if shape is not None and shape[1] == mark else ("", "")
