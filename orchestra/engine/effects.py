"""What an error says about an effect that may happen once only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra.errors import NodeFailure, RateLimited, Transient

EFFECT = "effect"
"""`waiting_for` of a node run whose effect may have happened: a person has to say."""

NOT_HAPPENED: Mapping[str, Any] = {"effect": "none"}
"""What the error of an attempt says whose effect surely did not happen."""


def is_doubtful(error: NodeFailure) -> bool:
    """Say whether after this error nobody knows if the effect happened.

    A refusal, by the service or by the function itself, counts as “it did not”; silence and faults do not.
    """
    return isinstance(error, Transient) and not isinstance(error, RateLimited)
