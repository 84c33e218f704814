"""Definitions as YAML, and what differs between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.workflows.differences import MOST_CHANGES, changes, text_difference
from apps.workflows.yaml_text import as_yaml
from orchestra.engine.definition import load

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.yaml"))

texts = st.text(st.sampled_from("ab:#-?{}[]|>'\"\\ \n\t0123456789~%@`!&*,.é你😀"), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | texts
    | st.sampled_from(["no", "1e3", "0x10", "12:30"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "yes", "1"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_means_the_same_after_it_was_written_anew(path: Path):
    definition = load(path.read_text())

    assert load(as_yaml(definition)) == definition


@settings(deadline=None)
@given(values)
def test_whatever_a_setting_holds_comes_back_unchanged(value: Any):
    definition = {"orchestra": 1, "nodes": {"a": {"kind": "transform", "settings": {"value": value}}}}

    assert load(as_yaml(definition)) == definition


def test_keys_come_in_reading_order_whatever_the_database_made_of_them():
    definition = {
        "output": "x",
        "nodes": {
            "z_last": {"needs": ["m_middle.out"], "kind": "transform"},
            "m_middle": {"settings": {"b": 1}, "kind": "transform", "needs": ["a_first"]},
            "a_first": {"settings": {}, "kind": "transform"},
        },
        "name": "n",
        "orchestra": 1,
    }

    lines = [line.strip() for line in as_yaml(definition).splitlines()]

    assert [line for line in lines if line in {"orchestra: 1", "name: n", "nodes:", "output: x"}] == [
        "orchestra: 1",
        "name: n",
        "nodes:",
        "output: x",
    ]
    assert lines.index("a_first:") < lines.index("m_middle:") < lines.index("z_last:")


def test_a_broken_graph_is_written_all_the_same():
    definition = {"nodes": {"a": {"needs": ["b"]}, "b": {"needs": ["a"]}, "c": 3, "d": {"needs": "a"}}}

    assert load(as_yaml(definition)) == definition


def test_long_text_is_a_block():
    assert "|-\n" in as_yaml({"nodes": {"a": {"settings": {"prompt": "One\nTwo"}}}})


def test_changes_are_named_by_path():
    old = {"name": "a", "nodes": {"x": {"kind": "llm"}, "y": {"kind": "map"}}}
    new = {"name": "b", "nodes": {"x": {"kind": "llm", "when": "true"}}}

    assert changes(old, new) == [
        {"path": "name", "change": "changed", "old": "a", "new": "b"},
        {"path": "nodes.x.when", "change": "added", "new": "true"},
        {"path": "nodes.y", "change": "removed", "old": {"kind": "map"}},
    ]
    assert changes(old, old) == []


def test_a_flood_of_changes_is_cut():
    new = {"nodes": {f"n{number}": {} for number in range(2 * MOST_CHANGES)}}

    assert len(changes({"nodes": {}}, new)) == MOST_CHANGES


def test_equal_definitions_have_no_text_difference():
    assert text_difference({"a": 1}, {"a": 1}, old_name="v1", new_name="v2") == ""
    assert "+a: 2" in text_difference({"a": 1}, {"a": 2}, old_name="v1", new_name="v2").splitlines()
