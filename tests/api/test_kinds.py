"""The kinds of nodes over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from orchestra.engine import plugins
from orchestra.engine.nodes import KINDS

pytestmark = pytest.mark.django_db


def test_every_kind_is_listed_with_the_schema_of_its_settings(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [plugins.Plugin("http", "some-package", "1", kind="http")]
    monkeypatch.setattr(plugins, "_found", found)

    listed: dict[str, Any] = {one["name"]: one for one in api.get("/api/v1/kinds").json()["results"]}

    assert set(listed) == set(KINDS)
    assert listed["agent"]["schema"]["required"] == ["task"]
    assert (listed["http"]["can_act_once"], listed["llm"]["can_act_once"]) == (True, False)
    assert (listed["llm"]["can_be_cached"], listed["map"]["can_be_cached"]) == (True, False)
    assert (listed["http"]["package"], listed["llm"]["package"]) == ("some-package", "")


def test_strangers_are_told_nothing() -> None:
    assert APIClient().get("/api/v1/kinds").status_code == 401
