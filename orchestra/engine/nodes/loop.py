"""Kind `loop`: run a body again and again, each time on the value of the time before, until a condition holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestra.engine.context import Context
from orchestra.engine.expressions import is_true
from orchestra.engine.nodes.base import Kind, Settings, object_schema, text_field
from orchestra.engine.outcome import Done, Iterate, Outcome
from orchestra.errors import Permanent, Problem

MOST_ITERATIONS = 1_000

SCHEMA = object_schema(
    {
        "body": {
            "type": "object",
            "title": "Body",
            "description": "`nodes` and `output`; `loop.index` and `loop.value` are in scope.",
            "format": "graph",
        },
        "max": {
            "type": "integer",
            "title": "Times at most",
            "description": "The node fails when the loop would go on after so many times.",
            "minimum": 1,
            "maximum": MOST_ITERATIONS,
        },
        "until": text_field(
            "Until",
            "A bare expression, looked at after each time; `loop.value` is what the body made.",
            format="expression",
        ),
        "while": text_field("While", "A bare expression, looked at before each time.", format="expression"),
        "state": {
            "title": "Value at the start",
            "description": "`loop.value` the first time.",
            "format": "json",
        },
    },
    ("body", "max"),
)


class IterationFailed(Permanent):
    """The body of the loop failed."""

    code = "iteration_failed"
    hint = "Look at the nodes of the last time the body ran."


class LoopNotDone(Permanent):
    """The loop ran as often as it may, and its condition says that it should go on."""

    code = "loop_not_done"
    hint = "Raise `max`, or look at the condition and at what the body makes of `loop.value`."


async def run(context: Context, settings: Settings) -> Outcome:
    """Open the first iteration, or after each one decide whether there is another.

    Output is `{value, iterations}`. Raises IterationFailed, LoopNotDone, ExpressionError.
    """
    if context.items is None:
        count, value = 0, settings.get("state")
    else:
        last = context.items[-1]
        if last.error is not None:
            message = last.error.get("message", "")
            raise IterationFailed(f"Iteration {last.index} failed: {message}")
        count, value = last.index + 1, last.output
    if _is_done(settings, context.scope, count, value):
        return Done({"value": value, "iterations": count})
    if count >= settings["max"]:
        raise LoopNotDone(f"The body ran {count} times, which is the most, and the loop is not done.")
    return Iterate(count, value)


def _is_done(settings: Settings, scope: Mapping[str, Any], count: int, value: Any) -> bool:
    inner = {**scope, "loop": {"index": count - 1 if "until" in settings else count, "value": value}}
    if "until" in settings:
        return count > 0 and is_true(settings["until"], inner)
    return not is_true(settings["while"], inner)


def conditions(settings: Settings) -> Iterable[tuple[str, str]]:
    for name in ("until", "while"):
        if name in settings:
            yield name, settings[name]


def find_problems(settings: Settings, path: str) -> Iterable[Problem]:
    """Neither or both of the conditions."""
    if ("until" in settings) == ("while" in settings):
        yield Problem(path, "bad_value", "Give exactly one of `until` and `while`.")


KIND = Kind(
    name="loop",
    title="Loop",
    description="Run a body again until a condition holds.",
    schema=SCHEMA,
    run=run,
    raw=frozenset({"body", "max", "until", "while"}),
    conditions=conditions,
    find_problems=find_problems,
    fields=("value", "iterations"),
    has_body=True,
    body_names=("loop",),
)
