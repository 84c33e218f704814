"""What is shown of a secret: its last characters, where they are not too much of it."""

from __future__ import annotations

HINT_LENGTH = 4
SHORTEST_HINTED = 12
"""Shorter secrets give no hint: four characters would be too much of them."""


def hint_of(secret: str) -> str:
    """Return the characters that remind of a secret."""
    return secret[-HINT_LENGTH:] if len(secret) >= SHORTEST_HINTED else ""
