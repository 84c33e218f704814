"""Plans as people see them."""

from __future__ import annotations

from orchestra.engine.canvas_text import as_dot, as_text, as_tree, count
from orchestra.engine.compiler import compile_definition
from tests.engine.graphs import BRANCH, HTTP, LLM, MAP, definition_of

NODES = {
    "a": LLM,
    "b": {**HTTP, "needs": ["a"]},
    "c": {**LLM, "needs": ["a"]},
    "d": {**BRANCH, "needs": ["b", "c"]},
    "m": {**MAP, "needs": ["d.left"]},
}
PLAN = compile_definition(definition_of(NODES, variables={"go_left": True}))


def test_a_plan_reads_as_text() -> None:
    assert as_text(PLAN) == (
        "Plan: 5 nodes, 5 edges, 4 tasks, 2 units, 1 gate, 0 joins\n"
        "  unit 1, starts with the run\n"
        "    chain\n"
        "      llm: a (llm)\n"
        "      group\n"
        "        io: b (http)\n"
        "        llm: c (llm)\n"
        "  unit 2, when settled: b, c\n"
        "    control: d (branch) → m (map)\n"
        "\n"
        "Body of m, once per item: 4 nodes, 4 edges, 4 tasks, 4 units, 3 gates, 0 joins\n"
        "  unit 1, starts with the run\n"
        "    llm: one (llm)\n"
        "  unit 2, when settled: one\n"
        "    control: three (transform)\n"
        "  unit 3, when settled: one\n"
        "    io: two (http)\n"
        "  unit 4, when settled: three, two\n"
        "    control: $item (item)"
    )


def test_a_plan_is_a_tree_of_plain_json() -> None:
    tree = as_tree(PLAN)

    assert tree["counts"] == {"nodes": 5, "edges": 5, "tasks": 4, "units": 2, "gates": 1, "joins": 0}
    assert tree["units"][0]["gate"] == []
    chain = tree["units"][0]["tree"]
    assert chain["op"] == "chain"
    assert chain["children"][0] == {
        "op": "task",
        "queue": "llm",
        "nodes": [{"id": "a", "kind": "llm", "title": "a"}],
    }
    assert [child["op"] for child in chain["children"]] == ["task", "group"]
    assert list(tree["bodies"]) == ["m"]


def test_no_op_joins_are_counted_as_the_canvas_needs_them() -> None:
    """{a b} {c d} need one between them; a member of a group that ends in a group needs one more."""
    crossing = {"a": LLM, "b": HTTP, "c": {**LLM, "needs": ["a", "b"]}, "d": {**HTTP, "needs": ["a", "b"]}}
    ending = {"r": LLM, "x": {**HTTP, "needs": ["r"]}, "y": {**HTTP, "needs": ["r"]}}
    ending |= {"p": {**LLM, "needs": ["x"]}, "q": {**LLM, "needs": ["x"]}}

    assert count(compile_definition(definition_of(crossing)))["joins"] == 1
    assert count(compile_definition(definition_of(ending)))["joins"] == 1


def test_a_plan_can_be_drawn() -> None:
    titled = {**NODES, "a": {**LLM, "title": 'Say "hi"'}}

    drawn = as_dot(compile_definition(definition_of(titled, variables={"go_left": True})))

    assert drawn.startswith("digraph plan {")
    assert drawn.endswith("}")
    assert r'"a" [label="Say \"hi\" (llm)"];' in drawn
    assert '"d" -> "m" [label="left"];' in drawn
    assert '"b" -> "d" [style=dashed];' in drawn
    assert '"m.one" -> "m.two"' in drawn
    assert drawn.count("{") == drawn.count("}")
