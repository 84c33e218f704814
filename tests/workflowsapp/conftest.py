"""Definitions for the tests of the actions."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def definition() -> dict[str, Any]:
    return {
        "orchestra": 1,
        "name": "Double",
        "nodes": {"double": {"kind": "transform", "settings": {"value": "{{ 1 + 1 }}"}}},
        "output": "{{ nodes.double.output }}",
    }


@pytest.fixture
def broken(definition: dict[str, Any]) -> dict[str, Any]:
    return {**definition, "nodes": {"double": {"kind": "no_such_kind", "settings": {}}}}
