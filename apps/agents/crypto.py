"""Secrets at rest: AES-256-GCM under a ring of keys, bound to the row and field they belong to."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from orchestra.errors import BadCredentials

VERSION = "v1"
NONCE_BYTES = 12
MARK_BYTES = 6


class UnreadableSecret(BadCredentials):
    """The stored secret cannot be read: the key that encrypted it is not among FIELD_KEYS."""

    hint = "Put the old key back into FIELD_KEYS, or enter the secret again."


def encrypt(value: str, *, row: UUID | str, field: str) -> str:
    """Return the value encrypted with the first key of FIELD_KEYS, for this row and field; "" stays ""."""
    if not value:
        return ""
    mark, key = _ring()[0]
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, value.encode(), _binding(row, field))
    return f"{VERSION}.{mark}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(stored: str, *, row: UUID | str, field: str) -> str:
    """Return the value. Raises UnreadableSecret: unknown key, changed text, another row or field."""
    if not stored:
        return ""
    version, _, rest = stored.partition(".")
    mark, _, text = rest.partition(".")
    key = dict(_ring()).get(mark)
    if version != VERSION or key is None:
        raise UnreadableSecret
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _binding(row, field)).decode()
    except (ValueError, InvalidTag) as error:
        raise UnreadableSecret from error


def is_current(stored: str) -> bool:
    """Say whether the first key encrypted this, so that rotation can pass over it."""
    return not stored or stored.startswith(f"{VERSION}.{_ring()[0][0]}.")


def rotate(stored: str, *, row: UUID | str, field: str) -> str:
    """Return the same value under the first key. Raises UnreadableSecret."""
    return (
        stored if is_current(stored) else encrypt(decrypt(stored, row=row, field=field), row=row, field=field)
    )


def _binding(row: UUID | str, field: str) -> bytes:
    return f"{field}:{row}".encode()


def _ring() -> Sequence[tuple[str, bytes]]:
    return _derived(tuple(settings.FIELD_KEYS))


@lru_cache(maxsize=8)
def _derived(texts: tuple[str, ...]) -> Sequence[tuple[str, bytes]]:
    """Return (mark, key) for every text of the ring. The mark tells keys apart and gives nothing away."""
    if not texts:
        raise UnreadableSecret("FIELD_KEYS is empty: no secret can be stored or read.")
    ring = []
    for text in texts:
        derived = HKDF(hashes.SHA256(), 32 + MARK_BYTES, salt=None, info=b"orchestra field key").derive(
            text.strip().encode()
        )
        ring.append((derived[32:].hex(), derived[:32]))
    return tuple(ring)
