"""The expression language: what it evaluates to, what it refuses, what it reads."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from orchestra.engine.expressions import check, evaluate, is_one_hole, is_true, names_read, render
from orchestra.errors import ExpressionError

SCOPE: dict[str, Any] = {
    "inputs": {
        "word": "héllo",
        "n": 3,
        "half": 0.5,
        "list": [3, 1, 2],
        "people": [{"name": "Ada"}, {"name": "Bob"}],
    },
    "nodes": {
        "a": {
            "output": {"text": "<b>", "items": ["x", "y"], "none": None},
            "status": "succeeded",
            "error": None,
        }
    },
    "vars": {},
    "item": {"keys": 1},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ inputs.n }}", 3),
        (" {{ inputs.list }}\n", [3, 1, 2]),
        ("{{- inputs.half -}}", 0.5),
        ("{{ inputs.people[1].name }}", "Bob"),
        ("{{ inputs['word'] }}", "héllo"),
        ("{{ nodes.a.output }}", SCOPE["nodes"]["a"]["output"]),
        ("{{ nodes.a.output.items }}", ["x", "y"]),
        ("{{ inputs.missing }}", None),
        ("{{ inputs.missing.deeper[3] }}", None),
        ("{{ inputs.n == 3 }}", True),
        ("{{ inputs.n * 2 + 1 }}", 7),
        ("{{ 2 * -inputs.n }}", -6),
        ("{{ (1 + 2) * (3 + 4) }}", 21),
        ("{{ 2 * inputs.list | length }}", 6),
        ("{{ 2 * inputs.list | length is number }}", 2),
        ("{{ 2 ** 3 * 2 }}", 16),
        ("{{ 10 // 3 * 2 % 4 }}", 2),
        ("{{ 2 * 3 if inputs.n > 2 else 4 * 5 }}", 6),
        ("{{ {'a': {'b': inputs.n}} }}", {"a": {"b": 3}}),
        ("{{ 'x' in inputs.word or inputs.n }}", 3),
        ("{{ '}}' }}", "}}"),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ item.keys }}", 1),
        ("{{ inputs.keys }}", None),
        ("no holes", "no holes"),
        ("{ { not a hole } }", "{ { not a hole } }"),
    ],
)
def test_a_text_that_is_one_hole_keeps_the_type_of_its_value(text: str, value: Any) -> None:
    rendered = render(text, SCOPE)

    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("Hi {{ inputs.word }}!", "Hi héllo!"),
        ("{{ inputs.n }}{{ inputs.half }}", "30.5"),
        ("<{{ nodes.a.output.text }}>", "<<b>>"),
        ("x{{ inputs.missing }}y{{ none }}z", "xyz"),
        ("{{ true }} {{ inputs.list }} {{ {'a': none} }}", 'true [3, 1, 2] {"a": null}'),
        ("{# remark #}{{ inputs.n }}", "3"),
        ("{% if inputs.n > 2 %}big{% elif inputs.n %}small{% else %}none{% endif %}", "big"),
        (
            "{% for p in inputs.people %}{{ loop.index }}{{ p.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1Ada, 2Bob",
        ),
        ("{% for x in inputs.list -%}  <{{ x }}>\n{%- endfor %}", "<3><1><2>"),
        (
            "{% for x in inputs.list %} {{ x }} {% for y in inputs.list %}.{% endfor %}{% endfor %}",
            " 3 ... 1 ... 2 ...",
        ),
        ("{% for x in [] %}a{% else %}b{% endfor %}", "b"),
        ("{{ inputs.word }}\n", "héllo"),
        ("a {{ inputs.word }}\n", "a héllo\n"),
    ],
)
def test_text_with_holes_renders_to_text(text: str, rendered: str) -> None:
    assert render(text, SCOPE) == rendered


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.list | tojson", "[3, 1, 2]"),
        ("{'a': 'é<'} | tojson", '{"a": "é<"}'),
        ("'[1, {}]' | fromjson", [1, {}]),
        ("inputs.list | join('-')", "3-1-2"),
        ("inputs.people | join(', ', attribute='name')", "Ada, Bob"),
        ("inputs.people | map(attribute='name') | list", ["Ada", "Bob"]),
        ("inputs.list | sort", [1, 2, 3]),
        ("inputs.list | sort(reverse=true) | first", 3),
        ("[1, 1, 2] | unique | list", [1, 2]),
        ("inputs.list | select('odd') | list", [3, 1]),
        ("inputs.list | sum", 6),
        ("inputs.missing | length", 0),
        ("none | default('x')", "x"),
        ("inputs.missing.deep | default(1) * 2", 2),
        ("'' | default('x', true)", "x"),
        ("2.567 | round(1)", 2.6),
        ("'one two three' | truncate(9)", "one two…"),
        ("'abcdef' | truncate(4, true, '')", "abcd"),
        ("'a b  c' | wordcount", 3),
        ("[1, 2, 3, 4, 5] | batch(2)", [[1, 2], [3, 4], [5]]),
        ("'a\nb' | indent(2)", "a\n  b"),
        ("'aXbX' | replace('X', '-')", "a-b-"),
        ("{'b': 1, 'a': 2} | dictsort | list", [["a", 2], ["b", 1]]),
        ("{'b': 1} | keys", ["b"]),
        ("{'b': 1} | values", [1]),
        ("'a,b' | split(',') | last", "b"),
        ("inputs.word | upper", "HÉLLO"),
        ("inputs.word is startingwith('h')", True),
        ("inputs.n is not none", True),
    ],
)
def test_filters_and_tests_give(expression: str, value: Any) -> None:
    assert evaluate(expression, SCOPE) == value


def test_rendering_reaches_into_lists_and_objects_and_leaves_keys_alone() -> None:
    value = {"{{ x }}": ["{{ inputs.n }}", {"a": "n={{ inputs.n }}"}, 1, None, True]}

    assert render(value, SCOPE) == {"{{ x }}": [3, {"a": "n=3"}, 1, None, True]}


@pytest.mark.parametrize(
    ("condition", "truth"), [("inputs.n", True), ("inputs.missing", False), ("0", False), ("[]", False)]
)
def test_conditions_are_true_or_false(condition: str, truth: bool) -> None:
    assert is_true(condition, SCOPE) is truth


@pytest.mark.parametrize(
    ("text", "words", "position"),
    [
        ("{{ a.b() }}", "Calls are not available: `b(…)`", "line 1, column 6"),
        ("{{ range(3) }}", "Calls are not available", "line 1, column 4"),
        ("{{ (a)(1) }}", "Calls", "line 1, column 7"),
        ("{{ [1](0) }}", "Calls", "line 1, column 7"),
        ("{{ 'a'('b') }}", "Calls", "line 1"),
        ("{{ a.not(1) }}", "Calls", "line 1"),
        ("a\n  {% set x = 1 %}", "`set` is not available", "line 2, column 3"),
        ("{% macro f() %}{% endmacro %}", "`macro`", "line 1, column 1"),
        ("{% include 'x' %}", "`include`", "line 1"),
        ("{%- import 'x' as y %}", "`import`", "line 1"),
        ("{% call f() %}{% endcall %}", "`call`", "line 1"),
        ("{% with a = 1 %}{% endwith %}", "`with`", "line 1"),
        ("{% raw %}{% endraw %}", "`raw`", "line 1"),
        ("{% for x in y recursive %}{% endfor %}", "Recursive", "line 1"),
        ("{{ a | nope }}", "no filter `nope`", "line 1, column 8"),
        ("{{ a | attr('x') }}", "no filter `attr`", "line 1"),
        ("{{ a | _number }}", "no filter `_number`", "line 1"),
        ("{{ a | map('nope') }}", "no filter 'nope'", "line 1"),
        ("{{ a | select('nope') }}", "no test 'nope'", "line 1"),
        ("{{ a is nope }}", "no test `nope`", "line 1"),
        ("{{ a is not nope }}", "no test `nope`", "line 1"),
        ("{{ a", "`}}` is missing", "line 1"),
        ("{% if a", "`%}` is missing", "line 1"),
        ("{# a", "`#}` is missing", "line 1"),
        ("{{ a) }}", "`)` closes nothing", "line 1, column 5"),
        ("{{ (a }}", "`}` closes nothing", "line 1"),
        ("{{ a ? b }}", "Unexpected character '?'", "line 1, column 6"),
        ("{{ a b }}", "Unexpected", "line 1, column 6"),
        ("é\n{{ 1 + }}", "Unexpected", "line 2, column 8"),
        ("{{ }}", "Unexpected", "line 1"),
        ("{% if a %}", "Unexpected", "line 1"),
        ("{% endfor %}", "Unknown statement", "line 1"),
        ("{{ " + "a" * 5_000 + " }}", "4096 characters", "line 1"),
        ("{{ " + "a~" * 201 + "a }}", "200 names", "line 1"),
    ],
)
def test_what_the_language_lacks_is_refused_with_its_position(text: str, words: str, position: str) -> None:
    (problem,) = check(text, "nodes.a.settings.prompt")

    assert problem.code == "bad_expression"
    assert problem.path == "nodes.a.settings.prompt"
    assert words in problem.message
    assert position in problem.message
    with pytest.raises(ExpressionError):
        render(text, SCOPE)


@pytest.mark.parametrize(
    "expression", ["", "  ", "}} {{ x", "a }}", "{{ a }}", "a +", "f()", "a %} {% set b = 1"]
)
def test_bare_expressions_are_checked_too(expression: str) -> None:
    assert [problem.code for problem in check(expression, is_bare=True)] == ["bad_expression"]
    with pytest.raises(ExpressionError):
        evaluate(expression, SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 100000000 }}",
        "{{ inputs.list * inputs.n }}",
        "{{ inputs.n * inputs.list }}",
        "{{ inputs.n * inputs.word | upper }}",
        "{{ 2 * inputs.n * inputs.word }}",
        "{{ inputs.big | replace('x', inputs.big) }}",
        "{{ inputs.wide | join(inputs.big) }}",
        "{{ [inputs.big, inputs.big, inputs.big] | tojson }}",
        "{% for a in inputs.wide %}{{ inputs.big }}{% endfor %}",
        "{% for a in inputs.wide %}{% for b in inputs.wide %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a in inputs.wide %}{% for b in inputs.wide %}" + "y" * 4000 + "{% endfor %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ 10 ** 1000 }}",
        "{{ 'a' + 1 }}",
        "{{ 'nonsense' | fromjson }}",
        "{{ inputs.deep | fromjson }}",
    ],
)
def test_what_would_take_too_much_fails_quickly(text: str) -> None:
    inputs = {**SCOPE["inputs"], "big": "x" * 500_000, "wide": list(range(1000)), "deep": "[" * 200_000}
    started = time.thread_time()

    with pytest.raises(ExpressionError):
        render(text, {"inputs": inputs})

    assert time.thread_time() - started < 1


def test_loops_are_stopped_before_they_have_written_too_much() -> None:
    """Not by running out of fuel, when memory is full of literal text already."""
    text = "{% for a in inputs.wide %}{% for b in inputs.wide %}" + "y" * 4000 + "{% endfor %}{% endfor %}"

    with pytest.raises(ExpressionError, match="longer than"):
        render(text, {"inputs": {"wide": list(range(1000))}})


def test_nothing_of_python_can_be_reached() -> None:
    for path in (
        "inputs.__class__",
        "inputs.word.__class__",
        "inputs.items",
        "inputs.list.append",
        "inputs.__init__",
    ):
        assert evaluate(path, SCOPE) is None
        assert evaluate(f"({path}) and 1", SCOPE) in {None, 1, False}
        assert render(f"x{{{{ {path} }}}}", SCOPE) == "x"


def test_names_are_read_as_dotted_paths() -> None:
    value = {
        "prompt": "{{ inputs.a.b }} {% for x in nodes.q.output.items %}{{ x.y }}{{ loop.index }}{{ item }}{% endfor %}",
        "more": ["{{ (nodes.b.output or nodes.c.output).text }}", "plain", 3],
    }

    names = names_read(value)

    assert names == {"inputs.a.b", "nodes.q.output.items", "item", "nodes.b.output", "nodes.c.output"}
    assert names_read("nodes.a.status == 'x' and vars.y", is_bare=True) == {"nodes.a.status", "vars.y"}
    assert names_read("{{ broken( }}") == frozenset()


def test_one_hole_is_told_from_text() -> None:
    assert is_one_hole("{{ a }}")
    assert is_one_hole(" {{ a | join('}}') }} ")
    assert not is_one_hole("{{ a }} {{ b }}")
    assert not is_one_hole("{{ a( }}")
    assert not is_one_hole("text")


def test_threads_render_side_by_side() -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        scope = {"inputs": {"n": number, "list": [number] * 3}}
        for turn in range(200):
            text = render(f"{turn}: {{{{ inputs.n }}}} {{{{ inputs.list | join(',') }}}}", scope)
            if text != f"{turn}: {number} {number},{number},{number}":
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
