"""What nodes and agents know of a tool, whatever stands behind it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ALLOW = "allow"
ASK = "ask"
DENY = "deny"

_NOT_IN_WIRE_NAMES = re.compile(r"[^A-Za-z0-9_-]")
LONGEST_WIRE_NAME = 64


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: `schema` is the JSON Schema of its arguments, an object; `policy` is allow, ask or deny."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    policy: str = ALLOW
    is_safe: bool = False
    """A call may be repeated at will: it changes nothing."""


def digest_of(value: Any) -> str:
    """Return the SHA-256, hex, of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def wire_name(name: str) -> str:
    """Return a tool's name as providers of models allow it: letters, digits, `_` and `-`, at most 64 of them."""
    plain = _NOT_IN_WIRE_NAMES.sub("-", name)
    return plain if len(plain) <= LONGEST_WIRE_NAME else f"{plain[:55]}-{digest_of(name)[:8]}"
