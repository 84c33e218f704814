"""Plans of what is right."""

from __future__ import annotations

import time

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.definition import load
from orchestra.engine.plan import ITEM, OUT, Edge, Join, Read, Retry
from tests.engine.graphs import HTTP, LLM, SHAPE, definition_of, each, llm

EXAMPLE = """
orchestra: 1
name: Review brief
inputs:
  type: object
  required: [document]
  properties:
    document: {type: string, title: Document, format: textarea}
    audiences: {type: array, items: {type: string}, default: [engineers, buyers]}
variables: {tone: plain}
defaults: {timeout: 120, retry: {max: 3, base: 0.1, factor: 2, cap: 30, jitter: true}}
limits: {duration: 3600, cost: 2.00}
nodes:
  outline: {kind: llm, settings: {agent: writer, prompt: "Outline this:\\n{{ inputs.document }}"}}
  views:
    kind: map
    needs: [outline]
    settings:
      items: "{{ inputs.audiences }}"
      concurrency: 8
      body:
        nodes:
          draft: {kind: llm, settings: {agent: writer, prompt: "For {{ item }}: {{ nodes.outline.output.text }}"}}
        output: "{{ nodes.draft.output.text }}"
  score:
    kind: llm
    needs: [views]
    settings:
      agent: critic
      prompt: "Score 0-10:\\n{{ nodes.views.output.items | tojson }}"
      schema: {type: object, required: [score], properties: {score: {type: number}}}
  route:
    kind: branch
    needs: [score]
    settings: {cases: [{name: good, when: "nodes.score.output.data.score >= 7"}], else: weak}
  rewrite:
    kind: llm
    needs: [route.weak]
    settings: {agent: writer, prompt: "Improve: {{ nodes.views.output.items | join('\\n') }}"}
  publish:
    kind: http
    needs: [route.good, rewrite]
    settings: {method: POST, url: "https://example.com/hook", body: {text: "{{ nodes.views.output.items }}"}}
  remark: {kind: note, settings: {text: "{{ not an expression"}}
output:
  text: "{{ nodes.views.output.items }}"
  published: "{{ nodes.publish.status == 'succeeded' }}"
"""


def test_the_example_of_the_format_compiles() -> None:
    plan = compile_definition(load(EXAMPLE))

    assert list(plan.nodes) == ["outline", "views", "score", "route", "rewrite", "publish"]
    assert plan.nodes["publish"].needs == (Edge("route", "good", "publish"), Edge("rewrite", OUT, "publish"))
    assert plan.nodes["publish"].reads == (Read(0, "views"),)
    assert plan.nodes["outline"].timeout == 120
    assert plan.output_reads == (Read(0, "publish"), Read(0, "views"))
    assert plan.inputs["required"] == ["document"]
    assert plan.variables == {"tone": "plain"}
    assert plan.limits == {"duration": 3600, "cost": 2.0}
    assert len(plan.digest) == 64


def test_a_body_ends_in_an_item_node_that_waits_for_everything() -> None:
    nodes = {
        "a": llm(),
        "b": llm(),
        "race": {**SHAPE, "needs": ["a", "b"], "join": "first"},
        "c": llm(needs=["race"]),
        "all": {**SHAPE, "needs": ["a", "c"], "join": "all"},
    }

    body = compile_definition(definition_of({"m": each(nodes, "{{ nodes.c.output }}")})).bodies["m"]

    item = body.nodes[ITEM]
    assert (item.kind, item.join, item.retry) == ("item", Join("done"), Retry(max=0))
    assert {edge.source for edge in item.needs} == {"a", "b", "c", "all"}
    assert item.settings == {"value": "{{ nodes.c.output }}"}
    assert item.reads == (Read(0, "c"),)
    assert list(body.nodes)[-1] == ITEM


def test_reads_say_how_many_bodies_away_a_node_is() -> None:
    inner = each({"x": llm("{{ nodes.first.output.text }} {{ nodes.near.output.text }}")}, needs=["near"])
    outer = each({"near": llm(), "inner": inner}, needs=["first"])

    plan = compile_definition(definition_of({"first": llm(), "outer": outer}))

    reads = plan.bodies["outer"].bodies["inner"].nodes["x"].reads
    assert reads == (Read(1, "near"), Read(2, "first"))


def test_policies_come_from_the_node_then_the_defaults_then_the_format() -> None:
    defaults = {"timeout": 60, "retry": {"max": 5, "base": 2}}

    plan = compile_definition(
        definition_of(
            {"a": llm(), "b": llm(timeout=5, retry={"max": 0}, priority="high", queue="io")},
            defaults=defaults,
        )
    )

    assert (plan.nodes["a"].timeout, plan.nodes["a"].retry) == (60.0, Retry(max=5, base=2.0))
    assert (plan.nodes["b"].timeout, plan.nodes["b"].retry) == (5.0, Retry(max=0, base=2.0))
    assert (plan.nodes["a"].priority, plan.nodes["b"].priority) == (None, 2)
    assert (plan.nodes["a"].queue, plan.nodes["b"].queue) == ("llm", "io")


def test_equal_definitions_give_equal_plans_whatever_the_order_of_keys() -> None:
    nodes = {"b": llm(needs=["a"]), "a": llm(), "c": llm(needs=["a"])}
    turned = dict(reversed(nodes.items()))

    assert compile_definition(definition_of(nodes)) == compile_definition(definition_of(turned))


def test_true_and_false_are_conditions_too() -> None:
    plan = compile_definition(
        definition_of(
            {"a": llm(when=True), "b": llm(when=False), "c": llm(when="vars.x")}, variables={"x": 1}
        )
    )

    assert [plan.nodes[name].when for name in "abc"] == [None, "false", "vars.x"]


def test_large_graphs_compile_quickly() -> None:
    """About a second for 2,000 nodes; a tenth of them here."""
    nodes = {
        f"n{number}": {
            **(LLM if number % 2 else HTTP),
            "needs": [f"n{number - step}" for step in (1, 2, 7) if number >= step],
        }
        for number in range(200)
    }
    started = time.process_time()

    plan = compile_definition(definition_of(nodes))

    assert len(plan.nodes) == 200
    assert time.process_time() - started < 0.5


def test_a_node_of_an_unknown_kind_still_has_its_needs_checked() -> None:
    definition = {"orchestra": 1, "nodes": {"a": {"kind": "lmm", "needs": ["nobody"]}}}

    codes = {(problem.path, problem.code) for problem in find_problems(definition)}

    assert codes == {("nodes.a.kind", "unknown_kind"), ("nodes.a.needs[0]", "unknown_node")}
