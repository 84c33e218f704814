"""Second factors as allauth keeps them, with their secrets encrypted under FIELD_KEYS."""

from __future__ import annotations

from allauth.mfa.adapter import DefaultMFAAdapter

from apps.agents import crypto
from apps.agents.management.commands.rotate_keys import SECOND_FACTOR


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """allauth's adapter. It encrypts before there is a row, so the secrets are bound to their use alone."""

    def encrypt(self, text: str) -> str:
        return crypto.encrypt(text, **SECOND_FACTOR)

    def decrypt(self, encrypted_text: str) -> str:
        return crypto.decrypt(encrypted_text, **SECOND_FACTOR)
