"""Finds what looks like a key or password in a definition: secrets belong to connections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestra.engine.names import walk
from orchestra.errors import Problem

_SECRET = re.compile(
    r"\b(?:"
    r"sk-[A-Za-z0-9_-]{20,}"  # model providers
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AIza[0-9A-Za-z_-]{30,}"
    r"|hf_[A-Za-z0-9]{30,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"  # JSON Web Token
    r"|[Bb]earer\s+[A-Za-z0-9._~+/-]{30,}"
    r"|https?://[^\s/:@{}]+:[^\s/@{}]+@"  # password in a URL
    r")"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def find_secrets(definition: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each text that holds something like a secret; the secret itself is not repeated."""
    for text in walk(definition, ""):
        match = _SECRET.search(text.value)
        if match is not None:
            shown = match.group()[:4]
            message = f"This looks like a secret (“{shown}…”). Keep it in a connection, never in a workflow."
            yield Problem(text.path, "secret", message)
