"""The registry of functions: annotations become schemas, arguments are checked, failures are told."""

from __future__ import annotations

import sys
import types
from typing import Any, Literal, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.errors import ModelTimeout, ToolFailed
from orchestra.tools import builtin, functions
from orchestra.tools.functions import arguments_schema, call, function


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(functions, "_functions", dict(functions._functions))


def sample(
    text: str,
    count: int,
    ratio: float = 0.5,
    flag: bool = False,
    names: list[str] | None = None,
    table: dict[str, int] = {},  # noqa: B006 - a default to be shown, never changed
    mode: Literal["a", "b"] = "a",
    maybe: Optional[int] = None,  # noqa: UP045 - the older spelling must work too
    either: int | str = 1,
    nested: list[dict[str, Any]] | int = 0,
    anything: Any = None,
) -> str:
    return text * count


def test_annotations_become_a_schema() -> None:
    schema = arguments_schema(sample)
    kinds = {
        name: {k: v for k, v in part.items() if k not in ("title", "default")}
        for name, part in schema["properties"].items()
    }

    assert schema["required"] == ["text", "count"]
    assert schema["additionalProperties"] is False
    assert kinds == {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "names": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "table": {"type": "object", "additionalProperties": {"type": "integer"}},
        "mode": {"enum": ["a", "b"]},
        "maybe": {"type": ["integer", "null"]},
        "either": {"type": ["integer", "string"]},
        "nested": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "integer"}]},
        "anything": {},
    }
    assert schema["properties"]["ratio"]["default"] == 0.5
    assert schema["properties"]["names"]["title"] == "Names"


def test_parameters_without_a_json_form_are_refused_at_registration() -> None:
    def by_position(a: int, /) -> None: ...
    def many(*a: int) -> None: ...
    def strange(a: set[int]) -> None: ...

    for bad in (by_position, many, strange):
        with pytest.raises(TypeError):
            function("bad_one")(bad)


def test_a_function_is_registered_with_its_title_and_description() -> None:
    @function("greet.person", title="Greet")
    def greet(name: str, **more: Any) -> str:
        """Say hello.

        Details.
        """
        return f"Hello {name}{more or ''}"

    found = functions.registry()["greet.person"]

    assert (found.title, found.description) == ("Greet", "Say hello.")
    assert call("greet.person", {"name": "Ada"}) == "Hello Ada"
    assert functions.schemas()["greet.person"]["additionalProperties"] is True


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a b", "a-b", "a" * 64])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="function name"):
        function(name)


def test_a_name_belongs_to_one_function_but_a_reload_is_fine() -> None:
    def one() -> None: ...
    def two() -> None: ...

    function("only.once")(one)
    function("only.once")(one)
    with pytest.raises(ValueError, match="taken"):
        function("only.once")(two)


def test_an_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(ToolFailed, match="split_text"):
        call("splt_text", {})


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"text": 1},
        {"text": "a", "max_words": "many"},
        {"text": "a", "other": 1},
        {"text": "a", "max_words": True},
    ],
)
def test_arguments_that_do_not_fit_are_told(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolFailed, match="do not fit"):
        call("split_text", arguments)


def test_an_exception_is_told_by_class_and_message() -> None:
    @function("breaks")
    def breaks() -> None:
        raise KeyError("missing")

    with pytest.raises(ToolFailed, match=r"breaks failed: KeyError: 'missing'"):
        call("breaks", {})


def test_a_node_failure_passes_as_it_is() -> None:
    @function("times_out")
    def times_out() -> None:
        raise ModelTimeout("slow")

    with pytest.raises(ModelTimeout):
        call("times_out", {})


def test_modules_are_loaded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plug_in_for_test", types.ModuleType("plug_in_for_test"))

    functions.load(["plug_in_for_test"])
    with pytest.raises(ImportError):
        functions.load(["no_such_plug_in"])


def test_paragraphs_stay_whole_where_they_fit() -> None:
    text = "\n\n".join(" ".join([f"word{n}"] * 30) for n in range(5))

    parts = builtin.split_text(text, max_words=70)

    assert [part["index"] for part in parts] == [0, 1, 2]
    assert [part["words"] for part in parts] == [60, 60, 30]
    assert parts[0]["text"].count("\n\n") == 1


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    text = " ".join(f"This is sentence number {n}." for n in range(40))

    parts = builtin.split_text(text, max_words=52)

    assert all(part["text"].endswith(".") for part in parts)
    assert [part["words"] for part in parts] == [50, 50, 50, 50]


def test_chinese_is_split_by_characters_at_sentences() -> None:
    parts = builtin.split_text("工作流由节点组成。" * 10, max_words=20)

    assert all(part["text"].endswith("。") for part in parts)
    assert max(part["words"] for part in parts) <= 20


def test_nothing_gives_no_parts() -> None:
    assert builtin.split_text(" \n\n \t") == []
    with pytest.raises(ToolFailed):
        builtin.split_text("a", max_words=0)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab .!?\n\t字。é'-"), max_size=300), st.integers(1, 20))
def test_nothing_is_lost_and_no_part_is_too_long(text: str, max_words: int) -> None:
    parts = builtin.split_text(text, max_words=max_words)

    assert all(0 < part["words"] <= max_words for part in parts)
    assert "".join("".join(part["text"].split()) for part in parts) == "".join(text.split())


def test_the_small_ones_do_what_they_say() -> None:
    assert call("count_words", {"text": "one two 三四"}) == 4
    assert call("noop", {}) is None
    assert call("echo", {"value": {"a": [1]}}) == {"a": [1]}
    assert [call("fibo", {"n": n}) for n in range(8)] == [0, 1, 1, 2, 3, 5, 8, 13]
    assert call("fibo", {"n": 100}) == "354224848179261915075"
    with pytest.raises(ToolFailed):
        call("fibo", {"n": -1})
