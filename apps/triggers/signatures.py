"""Signatures of webhooks as the Standard Webhooks specification has them (version 1, symmetric). Pure.

What is signed is `id.timestamp.body` with HMAC-SHA256 under the bytes of a `whsec_…` secret; a header may carry
several signatures, separated by spaces, of which those of an unknown version are passed over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"
_ID = re.compile(r"[\x21-\x7e]{1,180}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def new_secret() -> str:
    """Return a fresh secret of 256 bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` for a message."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def find_fault(
    known: Iterable[str], *, message_id: str, timestamp: str, signature: str, body: bytes, now: float
) -> str:
    """Return why a delivery must not be taken, in words for its sender; "" when its signature holds."""
    if not (_ID.fullmatch(message_id) and _TIMESTAMP.fullmatch(timestamp) and signature):
        return "The headers webhook-id, webhook-timestamp and webhook-signature are needed."
    expected = [sign(secret, message_id, int(timestamp), body) for secret in known]
    given = signature.split()[:10]
    holds = [hmac.compare_digest(one.encode(), good.encode()) for one in given for good in expected]
    if not any(holds):
        return "The signature does not hold."
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return f"The timestamp is more than {TOLERANCE_SECONDS} seconds from now."
    return ""


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
