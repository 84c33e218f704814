"""The compiler says everything that is wrong at once, with paths; and makes plans of what is right."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from orchestra.engine.compiler import compile_definition, find_problems
from orchestra.engine.definition import load
from orchestra.engine.plan import ITEM, OUT, Edge, Join, Read, Retry
from orchestra.errors import InvalidWorkflow
from tests.engine.graphs import BRANCH, HTTP, LLM, SHAPE, definition_of


def llm(prompt: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"kind": "llm", "settings": {"prompt": prompt}, **more}


def each(nodes: Mapping[str, Any], output: Any = None, **more: Any) -> dict[str, Any]:
    return {"kind": "map", "settings": {"items": [1], "body": {"nodes": dict(nodes), "output": output}}, **more}


def branch(*names: str, **more: Any) -> dict[str, Any]:
    return {"kind": "branch", "settings": {"cases": [{"name": name, "when": "true"} for name in names]}, **more}


def found(nodes: Mapping[str, Any], **more: Any) -> list[tuple[str, str]]:
    problems = find_problems(definition_of(nodes, **more))
    return [(problem.path, problem.code) for problem in problems]


def message(nodes: Mapping[str, Any], **more: Any) -> str:
    (problem,) = find_problems(definition_of(nodes, **more))
    return problem.message


# What is right --------------------------------------------------------------------------------

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
        definition_of({"a": llm(), "b": llm(timeout=5, retry={"max": 0}, priority="high", queue="io")}, defaults=defaults)
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
    plan = compile_definition(definition_of({"a": llm(when=True), "b": llm(when=False), "c": llm(when="vars.x")}, variables={"x": 1}))

    assert [plan.nodes[name].when for name in "abc"] == [None, "false", "vars.x"]


# What is wrong --------------------------------------------------------------------------------


def test_every_problem_is_reported_at_once() -> None:
    definition = {
        "orchestra": 2,
        "nodes": {
            "a": llm("{{ nodes.b.output }}", needs=["zzz"], timeout="soon"),
            "b": {"kind": "llmm"},
            "c": {"kind": "http", "settings": {}},
            "d": {"kind": "approval", "settings": {"title": "Yes?"}},
            "loop": llm(needs=["loop"]),
        },
    }

    with pytest.raises(InvalidWorkflow) as caught:
        compile_definition(definition)

    codes = {(problem.path, problem.code) for problem in caught.value.problems}
    assert codes == {
        ("orchestra", "bad_value"),
        ("nodes.a.timeout", "bad_type"),
        ("nodes.a.needs[0]", "unknown_node"),
        ("nodes.b.kind", "unknown_kind"),
        ("nodes.c.settings.url", "missing"),
        ("nodes.d.kind", "kind_not_available"),
        ("nodes.loop.needs[0]", "self_edge"),
    }


@pytest.mark.parametrize(
    ("nodes", "problems"),
    [
        ({}, [("nodes", "bad_value")]),
        ({"A": LLM}, [("nodes", "bad_id")]),
        ({"a": {}}, [("nodes.a.kind", "missing")]),
        ({"a": 1}, [("nodes.a", "bad_type")]),
        ({"a": {**LLM, "need": []}}, [("nodes.a.need", "unknown_field")]),
        ({"a": {"kind": "llm", "settings": {"promt": "x"}}}, [("nodes.a.settings.promt", "unknown_field"), ("nodes.a.settings", "bad_value")]),
        ({"a": {**LLM, "cache": 60}}, [("nodes.a.cache", "not_available_yet")]),
        ({"a": {**LLM, "cache": 0}}, []),
        ({"a": {**LLM, "compensate": {"kind": "llm"}}}, [("nodes.a.compensate", "not_available_yet")]),
        ({"a": {"kind": "map", "settings": {"items": [], "workflow": "x"}}}, [("nodes.a.settings.workflow", "not_available_yet")]),
        ({"a": {"kind": "http", "settings": {"url": "https://a.example", "connection": "c"}}}, [("nodes.a.settings.connection", "not_available_yet")]),
        *[({"a": {"kind": kind}}, [("nodes.a.kind", "kind_not_available")]) for kind in ("agent", "tool", "loop", "workflow", "approval", "wait")],
        ({"a": LLM, "b": {**LLM, "needs": ["a", "a.out"]}}, [("nodes.b.needs[1]", "duplicate_edge")]),
        ({"a": LLM, "b": {**LLM, "needs": ["a.done"]}}, [("nodes.b.needs[0]", "unknown_port")]),
        ({"a": LLM, "b": {**LLM, "needs": ["a.error"]}}, []),
        ({"a": BRANCH, "b": {**LLM, "needs": ["a.left", "a.else"]}}, [("nodes.a.settings.cases[0].when", "unknown_name")]),
        ({"a": {"kind": "note"}, "b": {**LLM, "needs": ["a"]}}, [("nodes.b.needs[0]", "unknown_node")]),
        ({"a": {"kind": "note"}}, [("nodes", "empty")]),
        ({"a": llm("{{ 1 + }}")}, [("nodes.a.settings.prompt", "bad_expression")]),
        ({"a": llm("{% set x = 1 %}")}, [("nodes.a.settings.prompt", "bad_expression")]),
        ({"a": llm(when="f()")}, [("nodes.a.when", "bad_expression")]),
        ({"a": {**LLM, "on_error": {"output": "{{ 1 + }}"}}}, [("nodes.a.on_error.output", "bad_expression")]),
        ({"a": branch("left", "left")}, [("nodes.a.settings.cases[1].name", "duplicate_port")]),
        ({"a": branch("out")}, [("nodes.a.settings.cases[0].name", "bad_value")]),
        ({"a": branch("error")}, [("nodes.a.settings.cases[0].name", "bad_value")]),
        ({"a": {"kind": "http", "settings": {"url": "ftp://a.example"}}}, [("nodes.a.settings.url", "bad_value")]),
        ({"a": {"kind": "map", "settings": {"items": "a {{ 1 }}", "body": {"nodes": {"b": LLM}}}}}, [("nodes.a.settings.items", "bad_value")]),
        ({"a": {"kind": "map", "settings": {"items": [], "body": {}}}}, [("nodes.a.settings.body.nodes", "missing")]),
        ({"a": {"kind": "map", "settings": {"items": [], "body": {"nodes": {}}}}}, [("nodes.a.settings.body.nodes", "bad_value")]),
        ({"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"type": "text"}}}}, [("nodes.a.settings.schema.type", "bad_schema")]),
        ({"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"$ref": "https://a.example"}}}}, [("nodes.a.settings.schema.$ref", "bad_schema")]),
        ({"a": {"kind": "llm", "settings": {"prompt": "x", "schema": {"pattern": "(a+)+"}}}}, [("nodes.a.settings.schema.pattern", "bad_schema")]),
        ({"a": {"kind": "llm", "settings": {"prompt": "x", "agent": "a", "connection": "c"}}}, [("nodes.a.settings", "bad_value")]),
        ({"a": {"kind": "llm", "settings": {}}}, [("nodes.a.settings", "bad_value")]),
        ({"a": {**LLM, "join": "first"}}, [("nodes.a.join", "join_needs_edges")]),
        ({"a": LLM, "b": {**LLM, "needs": ["a"], "join": {"quorum": 1}}}, [("nodes.b.join", "join_needs_edges")]),
        ({"a": LLM, "b": LLM, "c": {**LLM, "needs": ["a", "b"], "join": {"quorum": 3}}}, [("nodes.c.join", "join_never_met")]),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_is(nodes: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found(nodes) == problems


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"a": {"kind": "brnch"}}, "Did you mean “branch”?"),
        ({"outline": LLM, "b": {**LLM, "needs": ["outlin"]}}, "Did you mean “outline”?"),
        ({"a": branch("good", "weak"), "b": {**LLM, "needs": ["a.godo"]}}, "it has out, good, weak, else, error. Did you mean “good”?"),
        ({"outline": LLM, "b": llm("{{ nodes.outlne.output }}", needs=["outline"])}, "Did you mean “outline”?"),
        ({"a": LLM, "b": llm("{{ nodes.a.outptu }}", needs=["a"])}, "Did you mean “output”?"),
        ({"a": LLM, "b": llm("{{ nodes.a.output.txt }}", needs=["a"])}, "Did you mean “text”?"),
        ({"a": {**LLM, "timout": 1}}, "Did you mean “timeout”?"),
        ({"a": llm("{{ run.identity }}")}, "“run” has id, started_at, number."),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_gets_a_suggestion(nodes: dict[str, Any], words: str) -> None:
    assert words in message(nodes)


def test_cycles_are_named_each_once() -> None:
    nodes = {
        "a": llm(needs=["c"]),
        "b": llm(needs=["a"]),
        "c": llm(needs=["b"]),
        "d": llm(needs=["c", "e"]),
        "e": llm(needs=["d"]),
        "f": llm("{{ nodes.e.output }}", needs=["e"]),
    }

    problems = find_problems(definition_of(nodes))

    assert [(problem.path, problem.code) for problem in problems] == [("nodes.a.needs", "cycle"), ("nodes.d.needs", "cycle")]
    assert "a → b → c → a" in problems[0].message
    assert "d → e → d" in problems[1].message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ inputs.word }}", None),
        ("{{ inputs.wrod }}", "unknown_name"),
        ("{{ inputs }}", None),
        ("{{ vars.tone }}", None),
        ("{{ vars.tune }}", "unknown_name"),
        ("{{ env.anything }}", None),
        ("{{ run.id }}", None),
        ("{{ item }}", "unknown_name"),
        ("{{ loop.index }}", "unknown_name"),
        ("{{ range }}", "unknown_name"),
        ("{{ nodes }}", "unknown_name"),
        ("{{ nodes[inputs.word] }}", "unknown_name"),
        ("{{ nodes.before }}", None),
        ("{{ nodes.before.output.text }}", None),
        ("{{ nodes.before.error.code }}", None),
        ("{{ nodes.before.output.data.score }}", None),
        ("{{ nodes.before.output.score }}", "unknown_output"),
        ("{{ nodes.reader.output }}", "not_before"),
        ("{{ nodes.after.output }}", "not_before"),
        ("{{ nodes.beside.output }}", "not_before"),
        ("{% for x in nodes.before.output.items %}{{ x }}{% endfor %}", "unknown_output"),
    ],
)
def test_names_that_are_read_exist_and_have_a_value_by_then(text: str, code: str | None) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number"}}}
    nodes = {
        "before": {"kind": "llm", "settings": {"prompt": "x", "schema": schema}},
        "beside": LLM,
        "reader": llm(text, needs=["before"]),
        "after": llm(needs=["reader"]),
    }
    inputs = {"type": "object", "properties": {"word": {"type": "string"}}}

    problems = found(nodes, inputs=inputs, variables={"tone": "plain"})

    assert problems == ([("nodes.reader.settings.prompt", code)] if code else [])


def test_a_schema_of_open_inputs_lets_any_name_through() -> None:
    for inputs in ({"additionalProperties": True}, {"anyOf": [{}]}, {"$ref": "#/$defs/a", "$defs": {"a": {}}}):
        assert found({"a": llm("{{ inputs.anything }}")}, inputs=inputs) == []
    assert found({"a": llm("{{ inputs.anything }}")}) == [("nodes.a.settings.prompt", "unknown_name")]


def test_the_answer_under_data_is_pointed_at() -> None:
    schema = {"type": "object", "properties": {"score": {"type": "number"}}}
    nodes = {"a": {"kind": "llm", "settings": {"prompt": "x", "schema": schema}}, "b": llm("{{ nodes.a.output.score }}", needs=["a"])}

    assert "nodes.a.output.data.score" in message(nodes)


def test_output_may_read_every_node_but_no_other() -> None:
    assert found({"a": LLM, "b": LLM}, output="{{ nodes.a.output }}{{ nodes.b.error }}") == []
    assert found({"a": LLM}, output={"x": ["{{ nodes.c.output }}"]}) == [("output.x[0]", "unknown_node")]


def test_bodies_see_what_precedes_their_map_and_nothing_else_outside() -> None:
    body = {"x": llm("{{ nodes.before.output.text }} {{ item }} {{ index }}"), "y": llm("{{ nodes.beside.output }}")}
    nodes = {"before": LLM, "beside": LLM, "m": each(body, "{{ nodes.x.output }}{{ nodes.m.output }}", needs=["before"])}

    assert found(nodes) == [
        ("nodes.m.settings.body.nodes.y.settings.prompt", "not_before"),
        ("nodes.m.settings.body.output", "not_before"),
    ]


def test_mistakes_in_bodies_have_whole_paths() -> None:
    body = {"x": llm(needs=["before"]), "y": {"kind": "llm", "settings": {}}, "z": {**LLM, "needs": ["y.nope"], "join": "frist"}}

    problems = found({"before": LLM, "m": each(body, needs=["before"])})

    assert sorted(problems) == [
        ("nodes.m.settings.body.nodes.x.needs[0]", "unknown_node"),
        ("nodes.m.settings.body.nodes.y.settings", "bad_value"),
        ("nodes.m.settings.body.nodes.z.join", "bad_value"),
    ]


@pytest.mark.parametrize(
    ("join", "read", "is_fine"),
    [
        ("any", "a", True),
        ("any", "b", True),
        ("all", "b", True),
        ("done", "b", True),
        ("first", "a", False),
        ("first", "start", True),
        ({"quorum": 1}, "a", False),
        ({"quorum": 2}, "a", True),
    ],
)
def test_early_joins_do_not_wait_for_all_they_need(join: Any, read: str, is_fine: bool) -> None:
    nodes = {
        "start": LLM,
        "a": llm(needs=["start"]),
        "b": llm(needs=["start"]),
        "end": llm(f"{{{{ nodes.{read}.output }}}}", needs=["a", "b"], join=join),
    }

    assert (found(nodes) == []) is is_fine


def test_a_join_that_gives_up_early_lets_sources_go_on() -> None:
    """`every` is skipped as soon as `gone` is; `slow` may then still run when `end` starts."""
    nodes = {
        "gone": {"kind": "llm", "settings": {"prompt": "x"}, "when": "false"},
        "slow": LLM,
        "every": llm(needs=["gone", "slow"], join="all"),
        "end": llm("{{ nodes.slow.output }}", needs=["every"], join="done"),
    }

    (problem,) = find_problems(definition_of(nodes))

    assert problem.code == "not_before"
    assert "may still run" in problem.message


@pytest.mark.parametrize(
    ("needs", "join", "is_fine"),
    [
        (["r.good", "r.weak"], "all", False),
        (["r.good", "r.weak"], "any", True),
        (["r.good", "r.weak"], {"quorum": 2}, False),
        (["r.good", "r"], "all", True),
        (["r.good", "r.error"], "all", False),
        (["r", "r.error"], {"quorum": 2}, False),
        (["good", "weak"], "all", False),
        (["good", "weak"], "any", True),
        (["good", "weak"], "done", True),
        (["good", "either"], "all", True),
        (["later", "weak"], "all", False),
        (["later", "failed"], "all", False),
    ],
)
def test_joins_that_can_never_be_met_are_found(needs: list[str], join: Any, is_fine: bool) -> None:
    nodes = {
        "r": branch("good", "weak"),
        "good": llm(needs=["r.good"]),
        "weak": llm(needs=["r.weak"]),
        "later": llm(needs=["good"]),
        "either": llm(needs=["good", "weak"]),
        "failed": llm(needs=["r.error"]),
        "end": llm(needs=needs, join=join),
    }

    assert found(nodes) == ([] if is_fine else [("nodes.end.join", "join_never_met")])


def test_ports_of_a_branch_in_mode_many_go_together_except_else() -> None:
    many = {"kind": "branch", "settings": {"mode": "many", "cases": [{"name": "a", "when": "true"}, {"name": "b", "when": "true"}]}}

    assert found({"r": many, "end": llm(needs=["r.a", "r.b"], join="all")}) == []
    assert found({"r": many, "end": llm(needs=["r.a", "r.else"], join="all")}) == [("nodes.end.join", "join_never_met")]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnopqrstuvwxyz012345",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "xoxb-1234567890-abcdef",
        "AIza" + "b" * 35,
        "-----BEGIN RSA PRIVATE KEY-----",
        "Bearer " + "c" * 40,
        "https://user:secret@example.org/",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijk",
    ],
)
def test_what_looks_like_a_secret_is_refused_and_not_repeated(secret: str) -> None:
    problems = find_problems(definition_of({"a": llm(f"Use {secret} now")}, variables={"key": secret}))

    assert {(problem.path, problem.code) for problem in problems} == {
        ("nodes.a.settings.prompt", "secret"),
        ("variables.key", "secret"),
    }
    assert not any(secret in problem.message for problem in problems)


FUNCTIONS = {
    "split": {
        "type": "object",
        "required": ["text"],
        "additionalProperties": False,
        "properties": {"text": {"type": "string"}, "size": {"type": "integer"}},
    }
}


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"name": "split", "arguments": {"text": "x", "size": 3}}, []),
        ({"name": "split", "arguments": {"text": "{{ run.id }}", "size": "{{ run.number }}"}}, []),
        ({"name": "spilt", "arguments": {}}, [("nodes.a.settings.name", "unknown_function")]),
        ({"name": "split"}, [("nodes.a.settings.arguments.text", "bad_arguments")]),
        ({"name": "split", "arguments": {"text": 1}}, [("nodes.a.settings.arguments.text", "bad_type")]),
        ({"name": "split", "arguments": {"text": "", "sise": 3}}, [("nodes.a.settings.arguments.sise", "bad_arguments")]),
    ],
)
def test_functions_and_their_arguments_are_checked_when_they_are_known(settings: Any, problems: Any) -> None:
    definition = definition_of({"a": {"kind": "function", "settings": settings}})

    assert [(problem.path, problem.code) for problem in find_problems(definition, functions=FUNCTIONS)] == problems
    assert find_problems(definition) == []


def test_inputs_must_be_a_schema() -> None:
    assert found({"a": LLM}, inputs={"type": "thing"}) == [("inputs.type", "bad_schema")]
    assert found({"a": LLM}, inputs={"properties": {"x": {"$ref": "file:///etc/passwd"}}}) == [("inputs.properties.x.$ref", "bad_schema")]


def test_bodies_may_nest_five_deep() -> None:
    def nested(levels: int) -> dict[str, Any]:
        node: dict[str, Any] = dict(SHAPE)
        for _ in range(levels):
            node = each({"inner": node})
        return node

    assert found({"m": nested(5)}) == []
    assert [code for _, code in found({"m": nested(6)})] == ["too_deep"]


def test_size_is_limited_before_anything_else_is_looked_at() -> None:
    many = {f"n{number}": LLM for number in range(1_999)}
    assert found({**many, "m": each({"x": LLM})}) == [("nodes", "too_many_nodes")]
    wide = {f"n{number}": {**LLM, "needs": ["a"] * 501} for number in range(20)}
    assert found(wide) == [("nodes", "too_many_edges")]


def test_a_flood_of_problems_is_cut() -> None:
    problems = find_problems(definition_of({f"n{number}": {"kind": "nope"} for number in range(1_000)}))

    assert len(problems) == 201
    assert problems[-1].code == "too_many_problems"


def test_two_thousand_nodes_compile_in_about_a_second() -> None:
    nodes = {
        f"n{number}": {**(LLM if number % 2 else HTTP), "needs": [f"n{number - step}" for step in (1, 2, 7) if number >= step]}
        for number in range(2_000)
    }
    started = time.process_time()

    plan = compile_definition(definition_of(nodes))

    assert len(plan.nodes) == 2_000
    assert time.process_time() - started < 3
