"""The functions that runs of these tests call, as new."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.runs import functions_for_tests


@pytest.fixture
def functions_fresh() -> ModuleType:
    functions_for_tests.reset()
    return functions_for_tests
