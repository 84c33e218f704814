"""Kind `item`: the implicit last node of a body; its output is the item's value. Not for definitions."""

from __future__ import annotations

from orchestra.engine.context import Context
from orchestra.engine.expressions import render
from orchestra.engine.nodes.base import Kind, Settings, object_schema
from orchestra.engine.outcome import Done, Failed, Outcome

NAME = "item"


async def run(context: Context, settings: Settings) -> Outcome:
    """Evaluate the body's output, or end in the first unhandled error of the body's nodes.

    Raises ExpressionError.
    """
    if context.failures:
        return Failed(error=dict(context.failures[0]))
    return Done(render(settings["value"], context.scope))


KIND = Kind(
    name=NAME,
    title="Item",
    description="The value of one item of a map.",
    schema=object_schema({"value": {}}, ("value",)),
    run=run,
    raw=frozenset({"value"}),
    is_pure=True,
)
