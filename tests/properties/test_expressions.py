"""Any text is rendered or refused as an expression, any JSON comes through a hole as it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.expressions import check, evaluate, names_read, render
from orchestra.errors import ExpressionError

SCOPE = {
    "inputs": {"word": "héllo", "n": 3, "half": 0.5, "list": [3, 1, 2]},
    "nodes": {"a": {"output": {"text": "<b>"}}},
}
PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "-",
        " ",
        "\n",
        "a",
        "inputs.n",
        "nodes",
        "'",
        '"',
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "|",
        "upper",
        "is",
        "not",
        "none",
        "*",
        "**",
        "+",
        "~",
        "if",
        "else",
        "for",
        "x",
        "in",
        "endfor",
        "endif",
        "set",
        "1",
        "2.5",
        ".",
        ",",
        ":",
        "=",
        "==",
        "é",
        "\x00",
        "map",
        "loop",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_renders_or_fails_as_an_expression(text: str) -> None:
    """And what `check` lets through has names; what it refuses never renders."""
    problems = check(text)

    try:
        render(text, SCOPE)
    except ExpressionError:
        pass
    else:
        assert problems == []
    assert all(name.split(".")[0].isidentifier() for name in names_read(text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_a_hole_gives_back_any_json_as_it_is(value: Any) -> None:
    scope = {"inputs": {"value": value}}

    assert render("{{ inputs.value }}", scope) == value
    assert evaluate("inputs.value | tojson | fromjson", scope) == value
    assert evaluate("[inputs.value][0]", scope) == value
