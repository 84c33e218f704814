"""What a test needs of the machine: without it the test is left out with a sentence; on CI it fails."""

from __future__ import annotations

import os

import pytest


def need(is_there: object, sentence: str) -> None:
    """Go on when something is there; otherwise skip the test that asks, or fail it where `CI` is `true`."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
