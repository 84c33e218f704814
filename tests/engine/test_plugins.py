"""Kinds from other packages: taken in, checked, and never in the way of anything else."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from orchestra.engine import plugins
from orchestra.engine.attempt import attempt
from orchestra.engine.nodes import kind, registry
from orchestra.engine.nodes.base import Kind, object_schema, text_field
from orchestra.engine.outcome import Failed
from tests.engine.contexts import context


def foreign(**changes: Any) -> Kind:
    fields: dict[str, Any] = {
        "name": "foreign",
        "title": "Foreign",
        "description": "From elsewhere.",
        "queue": "cpu",
        "schema": object_schema({"text": text_field("Text")}),
    }
    return Kind(**{**fields, **changes})


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the table of kinds, and what was found, as they were."""
    monkeypatch.setattr(registry, "_kinds", dict(registry._kinds))
    monkeypatch.setattr(plugins, "_found", None)


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (foreign(name="llm"), "already"),
        (foreign(name="Not A Name"), "cannot be the name"),
        (foreign(queue="gpu"), "no queue “gpu”"),
        (foreign(waits=True), "in one go"),
        (foreign(has_body=True), "in one go"),
        (foreign(title=""), "title"),
        (foreign(schema={}), "object"),
        (foreign(schema={"type": "object", "properties": {"x": {"type": 7}}}), "schema"),
        ({"name": "foreign"}, "dict"),
    ],
)
def test_a_kind_that_cannot_work_is_refused_with_a_reason(offered: Any, said: str) -> None:
    with pytest.raises(registry.BadKind, match=said):
        registry.add_foreign(offered)


def test_packages_are_looked_at_once_and_broken_ones_stand_in_nobodys_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    entries = [
        EntryPoint("absent", "no_such_module:KIND", plugins.GROUP),
        EntryPoint("not_one", "json:dumps", plugins.GROUP),
        EntryPoint("foreign", f"{__name__}:OFFERED", plugins.GROUP),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: asked.append(group) or entries)

    found = {plugin.name: plugin for plugin in plugins.load()}
    plugins.load()

    assert asked == ["orchestra.kinds"]
    assert "no_such_module" in found["absent"].problem
    assert "function" in found["not_one"].problem
    assert (found["foreign"].kind, found["foreign"].problem) == ("foreign", "")
    assert registry._kinds["foreign"] is OFFERED


OFFERED = foreign()


async def test_a_kind_that_is_gone_fails_its_node_and_says_what_to_do() -> None:
    outcome = await attempt(context("gone_with_its_package", {}))

    assert isinstance(outcome, Failed)
    assert (outcome.error["code"], "Install" in outcome.error["hint"]) == ("unknown_kind", True)
    assert kind("gone_with_its_package").title == "gone_with_its_package"
