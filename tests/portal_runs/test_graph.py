"""Drawings of definitions: maps as groups, ports as labels, and patience with what makes no sense."""

from __future__ import annotations

import pytest
from django.template import Context, Template

from apps.workflows.graph import draw, shorten

NESTED = {
    "nodes": {
        "first": {"kind": "llm", "title": "Begin here"},
        "each": {
            "kind": "map",
            "needs": ["first"],
            "settings": {
                "body": {"nodes": {"one": {"kind": "llm"}, "two": {"kind": "http", "needs": ["one"]}}}
            },
        },
        "route": {"kind": "branch", "needs": ["each"]},
        "last": {"kind": "transform", "needs": ["route.good", "route.else"]},
    }
}


def test_the_body_of_a_map_is_drawn_inside_its_group() -> None:
    drawing = draw(NESTED)

    boxes = {node.path: node for node in drawing.nodes}
    group, inner = boxes["each"], boxes["each[].two"]
    assert group.is_group
    assert group.x < inner.x
    assert inner.x + inner.width < group.x + group.width
    assert group.y < boxes["each[].one"].y < inner.y
    assert inner.y + inner.height < group.y + group.height


def test_ports_are_labels_and_several_between_two_nodes_share_an_edge() -> None:
    drawing = draw(NESTED)

    edges = [(edge.source, edge.target, edge.label) for edge in drawing.levels[0].edges]
    assert edges == [("first", "each", ""), ("each", "route", ""), ("route", "last", "good, else")]


@pytest.mark.parametrize(
    "definition",
    [
        None,
        [],
        "text",
        {},
        {"nodes": []},
        {"nodes": {"a": 1}},
        {"nodes": {"a": {"needs": 5, "settings": 3, "title": ["x"]}, 7: {"kind": None}}},
        {"nodes": {"a": {"needs": ["a", "b", "a.out", None]}, "b": {"needs": "a"}}},
        {"nodes": {"m": {"kind": "map", "settings": {"body": {"nodes": "?"}}}}},
    ],
)
def test_what_makes_no_sense_is_left_out(definition: object) -> None:
    drawing = draw(definition)

    assert drawing.width > 0
    assert all(edge.source and edge.target for level in drawing.levels for edge in level.edges)


def test_bodies_nested_without_end_are_cut() -> None:
    definition: dict[str, object] = {"nodes": {"a": {"kind": "llm"}}}
    for _ in range(40):
        definition = {"nodes": {"m": {"kind": "map", "settings": {"body": definition}}}}

    assert len(list(draw(definition).nodes)) == 6


def test_titles_are_cut_by_their_width() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("a much longer title", 10) == "a much lo…"
    assert shorten("为一份长文件写摘要", 10) == "为一份长…"


def render(source: str, **context: object) -> str:
    return Template("{% load graph %}" + source).render(Context(context))


def test_the_picture_has_a_list_beside_it_and_nodes_that_can_be_focused() -> None:
    html = render("{% graph drawing %}", drawing=draw(NESTED))

    assert html.count('tabindex="0"') == 6 + 1
    assert "after Begin here" in html
    assert 'data-node-path="each[].two"' in html


def test_titles_are_escaped_in_the_picture() -> None:
    nasty = {"nodes": {"a": {"kind": "llm", "title": "<img src=x onerror=alert(1)>"}}}

    html = render("{% graph drawing %}", drawing=draw(nasty))

    assert "<img" not in html
    assert "&lt;img" in html
