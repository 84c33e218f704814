"""What a dispatch becomes on the broker: whole units, what is left of one, or single segments."""

from __future__ import annotations

from typing import Any

from apps.runs.actions.operations import Dispatch, Head
from orchestra.engine.compiler import compile_definition
from workers import canvas

NOOP = {"kind": "http", "settings": {"url": "https://example.org"}}
RUN = "01900000-0000-7000-8000-000000000000"


def dispatch(nodes: dict[str, list[str]], *heads: str, epoch: int = 0) -> Dispatch:
    definition = {
        "orchestra": 1,
        "nodes": {name: {**NOOP, "needs": needs} for name, needs in nodes.items()},
    }
    plan = compile_definition(definition)
    return Dispatch(RUN, epoch, 1, plan, tuple(Head(name, "io") for name in heads))


def shape(signature: Any) -> Any:
    """Return a canvas as nested texts: a path, `(then, …)` for a chain, `[one, …]` for a group."""
    if signature.task == "celery.chain":
        return tuple(shape(task) for task in signature.tasks)
    if signature.task == "celery.group":
        return [shape(task) for task in signature.tasks]
    if signature.task == "celery.chord":
        return ([shape(task) for task in signature.tasks], shape(signature.body))
    return signature.kwargs.get("path", signature.task)


DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_a_unit_goes_out_whole() -> None:
    (found,) = canvas.lower(dispatch(DIAMOND, "a"))
    assert shape(found) == ("a", (["b", "c"], "d"))


def test_what_is_left_of_a_unit_goes_out_as_a_canvas() -> None:
    (found,) = canvas.lower(dispatch(DIAMOND, "b", "c"))
    assert shape(found) == (["b", "c"], "d")


def test_a_part_of_what_starts_the_rest_goes_out_alone() -> None:
    (found,) = canvas.lower(dispatch(DIAMOND, "b"))
    assert shape(found) == "b"


def test_the_last_segment_of_a_unit_needs_no_canvas() -> None:
    (found,) = canvas.lower(dispatch(DIAMOND, "d"))
    assert shape(found) == "d"


def test_after_a_repair_gates_alone_go_on() -> None:
    found = canvas.lower(dispatch(DIAMOND, "b", "c", epoch=1))
    assert [shape(signature) for signature in found] == ["b", "c"]


def test_a_segment_that_was_broken_off_goes_on_from_where_it_stopped() -> None:
    nodes = {
        "a": NOOP,
        "b": {**NOOP, "needs": ["a"]},
        "c": {"kind": "llm", "needs": ["b"], "settings": {"prompt": "Hi"}},
    }
    plan = compile_definition({"orchestra": 1, "nodes": nodes})

    (found,) = canvas.lower(Dispatch(RUN, 0, 1, plan, (Head("b", "io"),)))

    assert plan.segments[0].nodes == ("a", "b")
    assert shape(found) == "b"
